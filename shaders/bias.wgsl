// The bias of a linear layer. Forward it is the residual of the product, with a row stride of 0
// (shaders/matmul.wgsl); backward it is the sum of the columns, in two stages of fixed order:
//
//   backward   partial[C, N] = sum over the rows t of chunk c of dy[t, N]
//   reduce     db[N] += sum over c of partial[c]
//
// Called by lib/model/ops/linear.ts.

struct Params {
  rows: u32,       // T
  columns: u32,    // N
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;                // [T, N]
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;     // [C, N]
@group(0) @binding(3) var<storage, read_write> db: array<f32>;          // [N]

const CHUNK: u32 = 128u;

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.columns) { return; }
  let first = id.y * CHUNK;
  var sum = 0.0;
  for (var t = first; t < min(first + CHUNK, params.rows); t++) {
    sum += dy[t * params.columns + id.x];
  }
  partial[id.y * params.columns + id.x] = sum;
}

@compute @workgroup_size(64)
fn reduce(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.columns) { return; }
  var sum = 0.0;
  for (var c = 0u; c < (params.rows + CHUNK - 1u) / CHUNK; c++) {
    sum += partial[c * params.columns + id.x];
  }
  db[id.x] += sum;
}
