// The bias of a linear layer. Forward it is the residual of the product, with a row stride of 0
// (shaders/matmul.wgsl); backward it is the sum of the columns, in two stages of fixed order:
//
//   backward   partial[C, N] = sum over the rows t of chunk c of dy[t, N]
//   reduce     db[N] += sum over c of partial[c]
//
// N is a multiple of 4. Called by lib/model/ops/linear.ts.

struct Params {
  rows: u32,       // T
  width: u32,      // N / 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;               // [T, N]
@group(0) @binding(2) var<storage, read_write> partial: array<vec4f>;    // [C, N]
@group(0) @binding(3) var<storage, read_write> db: array<vec4f>;         // [N]

const CHUNK: u32 = 128u;

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.width) { return; }
  let first = id.y * CHUNK;
  var sum = vec4f();
  for (var t = first; t < min(first + CHUNK, params.rows); t++) {
    sum += dy[t * params.width + id.x];
  }
  partial[id.y * params.width + id.x] = sum;
}

@compute @workgroup_size(64)
fn reduce(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.width) { return; }
  var sum = vec4f();
  for (var c = 0u; c < (params.rows + CHUNK - 1u) / CHUNK; c++) {
    sum += partial[c * params.width + id.x];
  }
  db[id.x] += sum;
}
