// copy[i] = w[i], rounded to f16 where the copy is of halves.
//
// What the model computes from in runs whose weights are f16; adamw-rounded.wgsl keeps it up to date.
// Called by beyond/storage/round.ts.

struct Params {
  count: u32,
}

alias Copy = f32;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> copy: array<Copy>;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i < params.count) { copy[i] = Copy(w[i]); }
}
