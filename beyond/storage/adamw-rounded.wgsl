// AdamW whose update also writes what comes out, rounded to f16, to the copy from which the model
// computes; round.wgsl makes the first.
// Called by beyond/storage/round.ts. Appended to adamw.wgsl.

// Of f16, where the copy is written at all.
alias Copy = vec4f;

@group(0) @binding(7) var<storage, read_write> copy: array<Copy>;

@compute @workgroup_size(64)
fn update_rounded(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (4u * i >= params.count || summary.nonfinite == 1u) { return; }
  advance(i);
  let rounded = Copy(w[i]);
  if (4u * i + 4u <= params.count) {
    copy[i] = rounded;
  } else {
    for (var k = 0u; k < params.count % 4u; k++) { copy[i][k] = rounded[k]; }
  }
}
