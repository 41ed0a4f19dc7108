// The last tokens of some rows, brought together: picked[i] = tokens[places[i]], for i < rows. When rows have
// ended or come in, those that go on move up, from tokens that the host has not seen yet.
// Called by lib/model/ops/sample.ts.

struct Params { rows: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> places: array<u32>;          // [rows]
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read_write> picked: array<u32>;    // [rows]

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i < params.rows) { picked[i] = tokens[places[i]]; }
}
