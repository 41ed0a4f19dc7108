// What the products of a linear layer share, whatever shader makes them: tensors, parameters, and how outputs
// are written. Included by matmul.wgsl and its variants. Rows are read and written in vectors of four, and
// nothing past their end. A vector of outputs is named by `to`: its place in the row, and the row.

// include "math.wgsl"
// include "kept.wgsl"
// include "weights/f32.wgsl"
// include "outputs/store.wgsl"

// What x and y are stored as: vec4h where a run keeps activations in f16. Sums are f32.
alias X = vec4f;
alias Y = vec4f;
alias Output = vec4<f32>;

struct Params {
  rows: u32,              // T
  outputs: u32,           // N
  inputs: u32,            // K
  y_stride: u32,          // elements between the rows of y and dy
  y_column: u32,          // the column of y that the first row of W makes
  residual_stride: u32,   // elements between the rows of residual: 0 for a bias
  add: u32,               // 1: backward_input adds to dx
  scale: f32,             // of the product, in forward and backward_input
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<X>;              // [T, K]
@group(0) @binding(3) var<storage, read_write> y: array<Y>;        // [T, y_stride]
@group(0) @binding(5) var<storage, read> dy: array<vec4f>;         // [T, y_stride]
@group(0) @binding(6) var<storage, read_write> dx: array<vec4f>;   // [T, K]
@group(0) @binding(7) var<storage, read_write> dw: array<vec4f>;   // [N, K]

// The row of W that makes the first column: forward_swiglu makes gate and up one after the other.
var<private> first_row: u32;

// Of y or a residual: where the vector `to` of outputs lies, in rows `stride` apart.
fn address(to: vec2u, stride: u32) -> u32 { return (to.y * stride + params.y_column) / 4u + to.x; }

fn is_output(to: vec2u) -> bool { return to.y < params.rows && 4u * to.x < params.outputs; }

fn store(to: vec2u, value: vec4f) {
  let at = address(to, params.y_stride);
  let part = Y(value);
  if (4u * to.x + 4u <= params.outputs) {
    y[at] = part;
  } else {
    for (var i = 0u; i < params.outputs % 4u; i++) { y[at][i] = part[i]; }
  }
}

// What becomes of a vector of x W^T, by the file of outputs/.
fn finish(to: vec2u, product: vec4f) {
  if (!is_output(to)) { return; }
  store(to, result(address(to, params.y_stride), address(to, params.residual_stride), product));
}

fn finish_swiglu(to: vec2u, gate: vec4f, up: vec4f) {
  if (is_output(to)) { store(to, activation(kept(gate)) * kept(up)); }
}

// Vector `to` of dx, and of dW.

fn store_input(to: vec2u, value: vec4f) {
  let k4 = params.inputs / 4u;
  if (to.y >= params.rows || to.x >= k4) { return; }
  let before = select(vec4f(), dx[to.y * k4 + to.x], params.add == 1u);
  dx[to.y * k4 + to.x] = before + params.scale * value;
}

fn store_weight(to: vec2u, value: vec4f) {
  let k4 = params.inputs / 4u;
  if (to.y < params.outputs && to.x < k4) { dw[to.y * k4 + to.x] += value; }
}

// Vector `at` of a row of dy, zero past its end.
fn dy_at(row: u32, at: u32) -> vec4f {
  if (row >= params.rows || 4u * at >= params.outputs) { return vec4f(); }
  let value = dy[(row * params.y_stride + params.y_column) / 4u + at];
  return select(vec4f(), value, 4u * at + vec4u(0u, 1u, 2u, 3u) < vec4u(params.outputs));
}
