// The three products of a linear layer y = x W^T, W stored [N, K] as torch's nn.Linear stores it:
//
//   forward           y[T, N]  = x[T, K] W[N, K]^T              (forward_residual adds r[T, N], or a bias r[N])
//   backward_input    dx[T, K] = dy[T, N] W[N, K]               (added to dx if `add` is 1)
//   backward_weight   dW[N, K] += sum over t of dy[t, N]^T x[t, K]
//
// Called by `Ops.linear*` in lib/model/ops.ts, from every linear layer and from the LM head.
//
// K is a multiple of 4, and so is the row stride of y and dy (`y_stride`, which may exceed N when the
// rows are a block of something wider); T and N are anything. One invocation owns a tile of 4 rows by
// 8 columns in registers and walks the whole contraction alone, in order: no workgroup memory, no
// barrier, and an output never depends on how many other rows are in flight. A mat4x4 keeps 16 of the
// products in one expression: `v * mat4x4f(w0, w1, w2, w3)` is four dot products,
// `mat4x4f(w0, w1, w2, w3) * v` is a sum of four scaled rows.

struct Params {
  rows: u32,       // T
  outputs: u32,    // N
  inputs: u32,     // K
  y_stride: u32,   // elements between the rows of y and dy
  residual_stride: u32, // likewise of the residual: y_stride, or 0 for a bias
  y_column: u32,   // the column of y that the first row of W makes
  add: u32,        // 1: backward_input adds to dx
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;          // [T, K]
@group(0) @binding(2) var<storage, read> w: array<vec4f>;          // [N, K]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;      // [T, y_stride]
@group(0) @binding(4) var<storage, read> residual: array<f32>;     // [T, y_stride] or [N]
@group(0) @binding(5) var<storage, read> dy: array<vec4f>;         // [T, y_stride]
@group(0) @binding(6) var<storage, read_write> dx: array<vec4f>;   // [T, K]
@group(0) @binding(7) var<storage, read_write> dw: array<vec4f>;   // [N, K]

struct Tile {
  left: array<vec4f, 4>,    // columns 0 to 3 of the tile's 4 rows
  right: array<vec4f, 4>,   // columns 4 to 7
}

fn forward_tile(row: u32, column: u32) -> Tile {
  let k4 = params.inputs / 4u;
  let last_row = params.rows - 1u;
  let last_column = params.outputs - 1u;
  let x0 = row * k4;
  let x1 = min(row + 1u, last_row) * k4;
  let x2 = min(row + 2u, last_row) * k4;
  let x3 = min(row + 3u, last_row) * k4;
  let w0 = column * k4;
  let w1 = min(column + 1u, last_column) * k4;
  let w2 = min(column + 2u, last_column) * k4;
  let w3 = min(column + 3u, last_column) * k4;
  let w4 = min(column + 4u, last_column) * k4;
  let w5 = min(column + 5u, last_column) * k4;
  let w6 = min(column + 6u, last_column) * k4;
  let w7 = min(column + 7u, last_column) * k4;
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f();
  for (var k = 0u; k < k4; k++) {
    let v0 = x[x0 + k];
    let v1 = x[x1 + k];
    let v2 = x[x2 + k];
    let v3 = x[x3 + k];
    let a = mat4x4f(w[w0 + k], w[w1 + k], w[w2 + k], w[w3 + k]);
    a0 += v0 * a; a1 += v1 * a; a2 += v2 * a; a3 += v3 * a;
    let b = mat4x4f(w[w4 + k], w[w5 + k], w[w6 + k], w[w7 + k]);
    b0 += v0 * b; b1 += v1 * b; b2 += v2 * b; b3 += v3 * b;
  }
  return Tile(array(a0, a1, a2, a3), array(b0, b1, b2, b3));
}

@compute @workgroup_size(8, 8)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x * 8u;
  let row = id.y * 4u;
  if (row >= params.rows || column >= params.outputs) { return; }
  var tile = forward_tile(row, column);
  for (var i = 0u; i < min(4u, params.rows - row); i++) {
    let at = (row + i) * params.y_stride + params.y_column + column;
    for (var j = 0u; j < min(4u, params.outputs - column); j++) { y[at + j] = tile.left[i][j]; }
    for (var j = 4u; j < min(8u, params.outputs - column); j++) { y[at + j] = tile.right[i][j - 4u]; }
  }
}

@compute @workgroup_size(8, 8)
fn forward_residual(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x * 8u;
  let row = id.y * 4u;
  if (row >= params.rows || column >= params.outputs) { return; }
  var tile = forward_tile(row, column);
  for (var i = 0u; i < min(4u, params.rows - row); i++) {
    let at = (row + i) * params.y_stride + params.y_column + column;
    let source = (row + i) * params.residual_stride + params.y_column + column;
    for (var j = 0u; j < min(4u, params.outputs - column); j++) {
      y[at + j] = residual[source + j] + tile.left[i][j];
    }
    for (var j = 4u; j < min(8u, params.outputs - column); j++) {
      y[at + j] = residual[source + j] + tile.right[i][j - 4u];
    }
  }
}

@compute @workgroup_size(8, 8)
fn backward_input(@builtin(global_invocation_id) id: vec3u) {
  let k4 = params.inputs / 4u;
  let column = id.x * 2u;
  let row = id.y * 4u;
  if (row >= params.rows || column >= k4) { return; }
  let stride = params.y_stride / 4u;
  let first = params.y_column / 4u;
  let last_row = params.rows - 1u;
  let y0 = row * stride + first;
  let y1 = min(row + 1u, last_row) * stride + first;
  let y2 = min(row + 2u, last_row) * stride + first;
  let y3 = min(row + 3u, last_row) * stride + first;
  let next = min(1u, k4 - 1u - column);
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f();
  let blocks = params.outputs / 4u;
  for (var n = 0u; n < blocks; n++) {
    let v0 = dy[y0 + n];
    let v1 = dy[y1 + n];
    let v2 = dy[y2 + n];
    let v3 = dy[y3 + n];
    let at = n * 4u * k4 + column;
    let a = mat4x4f(w[at], w[at + k4], w[at + 2u * k4], w[at + 3u * k4]);
    a0 += a * v0; a1 += a * v1; a2 += a * v2; a3 += a * v3;
    let b = mat4x4f(w[at + next], w[at + k4 + next], w[at + 2u * k4 + next], w[at + 3u * k4 + next]);
    b0 += b * v0; b1 += b * v1; b2 += b * v2; b3 += b * v3;
  }
  for (var n = blocks * 4u; n < params.outputs; n++) {
    let lane = n & 3u;
    let a = w[n * k4 + column];
    let b = w[n * k4 + column + next];
    let v0 = dy[y0 + n / 4u][lane];
    let v1 = dy[y1 + n / 4u][lane];
    let v2 = dy[y2 + n / 4u][lane];
    let v3 = dy[y3 + n / 4u][lane];
    a0 += a * v0; a1 += a * v1; a2 += a * v2; a3 += a * v3;
    b0 += b * v0; b1 += b * v1; b2 += b * v2; b3 += b * v3;
  }
  var left = array(a0, a1, a2, a3);
  var right = array(b0, b1, b2, b3);
  for (var i = 0u; i < min(4u, params.rows - row); i++) {
    let at = (row + i) * k4 + column;
    if (params.add == 1u) {
      left[i] += dx[at];
      right[i] += dx[at + next];
    }
    dx[at] = left[i];
    if (next == 1u) { dx[at + 1u] = right[i]; }
  }
}

@compute @workgroup_size(8, 8)
fn backward_weight(@builtin(global_invocation_id) id: vec3u) {
  let k4 = params.inputs / 4u;
  let column = id.x * 2u;
  let row = id.y * 4u;
  if (row >= params.outputs || column >= k4) { return; }
  let stride = params.y_stride / 4u;
  let block = (params.y_column + row) / 4u;
  let next = min(1u, k4 - 1u - column);
  var a = mat4x4f();
  var b = mat4x4f();
  for (var t = 0u; t < params.rows; t++) {
    let v = dy[t * stride + block];
    let p = x[t * k4 + column];
    let q = x[t * k4 + column + next];
    a += mat4x4f(p * v.x, p * v.y, p * v.z, p * v.w);
    b += mat4x4f(q * v.x, q * v.y, q * v.z, q * v.w);
  }
  for (var i = 0u; i < min(4u, params.outputs - row); i++) {
    let at = (row + i) * k4 + column;
    dw[at] += a[i];
    if (next == 1u) { dw[at + 1u] += b[i]; }
  }
}
