// y = x W^T of matmul.wgsl (read that one first: the same formula, tensors and parameters) for the few rows of
// decoding on GPUs with subgroups, where reading W takes all the time:
//
//   forward           y[T, N]  = x[T, K] W[N, K]^T              (and forward_swiglu, as there)
//
// Called by beyond/kernels/chosen-linear.ts for up to ROWS rows, where tuning chose it (beyond/kernels/matmuls.ts);
// matmul-tiled.wgsl makes the products of more rows in the same order of adding.
//
// LANES lanes share a row of W: of its runs of 16 elements, each lane takes every LANES-th, and keeps a sum for
// each of the rows of x. What each idea buys, in counts (no time of this file has been taken on a GPU):
//
//   lanes             the chain of fma that a lane waits for is K / 4 long, and 4 N invocations load, where
//                     the 16x16 tiles of matmul-tiled.wgsl have N / 16 workgroups with 4 KiB of f32 in flight.
//   runs              a lane loads AHEAD runs before it uses one: in flight are N x 4 x 2 x 64 bytes of f32, 0.3
//                     MB at N = 576 and 1.6 MB at N = 3072, and half of that in f16. At 0.7 microseconds of
//                     latency, 60 % of an H100's 3.35 TB/s needs 1.4 MB.
//   shuffles          lanes add up what they have by subgroupShuffle: no workgroup memory, no barrier.
//   vec4              neighbouring lanes load neighbouring runs, and read whole sectors of 32 bytes.
//
// The partial sums are chains of fma, added in the order of the lanes: the bits of an output do not depend on
// how many rows are in flight.

enable subgroups;

// include "math.wgsl"
// include "kept.wgsl"
// include "weights/f32.wgsl"
// include "outputs/store.wgsl"

// What x and y are stored as: vec4h where a run keeps activations in f16. Sums are f32.
alias X = vec4f;
alias Y = f32;
alias Output = f32;

struct Params {
  rows: u32,              // T
  outputs: u32,           // N
  inputs: u32,            // K
  y_stride: u32,          // elements between the rows of y
  y_column: u32,          // the column of y that the first row of W makes
  residual_stride: u32,   // elements between the rows of residual: 0 for a bias
  scale: f32,             // of the product, in forward
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<X>;              // [T, K]
@group(0) @binding(3) var<storage, read_write> y: array<Y>;        // [T, y_stride]

const LANES: u32 = 4u;
const ROWS: u32 = 8u;                     // of x, in each invocation
const GROUP: u32 = 32u;
const AHEAD: u32 = 2u;                    // runs loaded together
const VECTORS: u32 = 8u;                  // of those runs: 4 AHEAD

struct Invocation {
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_invocation_id) id: u32,
}

// Where an invocation works.
struct Place {
  row: u32,            // its first row of x
  column: u32,         // its row of W
  lane: u32,           // of those that share it
  first: u32,          // the first of these in the subgroup
}

fn place(invocation: Invocation) -> Place {
  let lane = invocation.index % LANES;
  let column = invocation.group.x * (GROUP / LANES) + invocation.index / LANES;
  return Place(invocation.group.y * ROWS, column, lane, invocation.id - lane);
}

// The row of W that makes the first column: forward_swiglu makes gate and up one after the other.
var<private> first_row: u32;

// The sums of one column of outputs, whole in every lane that shares it.
fn forward_tile(at: Place) -> array<f32, ROWS> {
  let k4 = params.inputs / 4u;
  let w_row = weight_row(first_row + min(at.column, params.outputs - 1u), k4);
  var x_row: array<u32, ROWS>;
  // unroll
  for (var t = 0u; t < ROWS; t++) { x_row[t] = min(at.row + t, params.rows - 1u) * k4; }
  var sum: array<f32, ROWS>;
  for (var run = at.lane; 4u * run < k4; run += AHEAD * LANES) {
    var ahead: array<vec4f, VECTORS>;
    // unroll
    for (var i = 0u; i < VECTORS; i++) {
      let k = 4u * (run + i / 4u * LANES) + i % 4u;
      let there = min(k, k4 - 1u);
      let value = vec4f(weight(w_row, there, weight_scale(w_row, there, k4)));
      ahead[i] = select(vec4f(), value, k < k4);
    }
    for (var i = 0u; i < VECTORS; i++) {
      let k = min(4u * (run + i / 4u * LANES) + i % 4u, k4 - 1u);
      let w4 = ahead[i];
      // unroll
      for (var t = 0u; t < ROWS; t++) {
        let x4 = vec4f(x[x_row[t] + k]);
        sum[t] = fma(x4.w, w4.w, fma(x4.z, w4.z, fma(x4.y, w4.y, fma(x4.x, w4.x, sum[t]))));
      }
    }
  }
  var total: array<f32, ROWS>;
  // unroll
  for (var lane = 0u; lane < LANES; lane++) {
    // unroll
    for (var t = 0u; t < ROWS; t++) { total[t] += subgroupShuffle(sum[t], at.first + lane); }
  }
  return total;
}

// The lanes of a column store its rows in turn. Of y or a residual: where row t lies, in rows `stride` apart.
fn address(at: Place, t: u32, stride: u32) -> u32 {
  return (at.row + t) * stride + params.y_column + at.column;
}

fn is_output(at: Place, t: u32) -> bool {
  return at.row + t < params.rows && at.column < params.outputs;
}

@compute @workgroup_size(GROUP)
fn forward(invocation: Invocation) {
  let at = place(invocation);
  var total = forward_tile(at);
  for (var t = at.lane; t < ROWS; t += LANES) {
    if (is_output(at, t)) {
      let to = address(at, t, params.y_stride);
      y[to] = Y(result(to, address(at, t, params.residual_stride), total[t]));
    }
  }
}

@compute @workgroup_size(GROUP)
fn forward_swiglu(invocation: Invocation) {
  let at = place(invocation);
  var gate = forward_tile(at);
  first_row = params.outputs;
  var up = forward_tile(at);
  for (var t = at.lane; t < ROWS; t += LANES) {
    if (is_output(at, t)) {
      let both = kept(vec4f(gate[t], up[t], 0.0, 0.0));
      y[address(at, t, params.y_stride)] = Y(activation(both).x * both.y);
    }
  }
}
