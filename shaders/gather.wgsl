// Rows of a table, picked by index: the token embedding, and the hidden states that predict a token.
//
//   forward    out[m] = scale table[index[m]]
//   backward   dtable[row[u]] += scale sum of dout[item[i]] for i in [offset[u], offset[u + 1])
//
// backward walks, for each distinct row, the list of places it went to, which the host has sorted:
// a fixed order of addition and no float atomics. A table larger than one binding is bound block by
// block: `first_row` and `table_rows` say which rows this dispatch holds, the others are left alone.
// forward reads the table through one of shaders/weights/. Called by lib/model/ops/gather.ts. D is a
// multiple of 4.

// include "weights/f32.wgsl"

struct Params {
  count: u32,        // M forward, distinct rows backward
  width: u32,        // D / 4
  first_row: u32,
  table_rows: u32,
  scale: f32,        // of what is picked: Gemma's embeddings have one
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<u32>;               // [M]
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;         // [M, D]
@group(0) @binding(4) var<storage, read> row: array<u32>;                 // [distinct]
@group(0) @binding(5) var<storage, read> offset: array<u32>;              // [distinct + 1]
@group(0) @binding(6) var<storage, read> item: array<u32>;                // [M]
@group(0) @binding(7) var<storage, read> d_out: array<vec4f>;             // [M, D]
@group(0) @binding(8) var<storage, read_write> d_table: array<vec4f>;     // [table_rows, D]

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let flat = id.x + id.y * groups.x * 64u;
  if (flat >= params.count * params.width) { return; }
  let source = index[flat / params.width] - params.first_row; // wraps below, and is then too large
  if (source >= params.table_rows) { return; }
  let start = weight_row(source, params.width);
  let k = flat % params.width;
  out[flat] = params.scale * weight(start, k, weight_scale(start, k, params.width));
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let flat = id.x + id.y * groups.x * 64u;
  if (flat >= params.count * params.width) { return; }
  let u = flat / params.width;
  let column = flat % params.width;
  let target_row = row[u] - params.first_row;
  if (target_row >= params.table_rows) { return; }
  var sum = vec4f();
  for (var i = offset[u]; i < offset[u + 1u]; i++) { sum += d_out[item[i] * params.width + column]; }
  d_table[target_row * params.width + column] += params.scale * sum;
}
