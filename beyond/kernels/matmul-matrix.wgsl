// y = x W^T of matmul.wgsl (read that one first) by subgroup matrices, which are tensor cores on NVIDIA's GPUs,
// for x and W in f16 and sums in f32:
//
//   forward           y[T, N]  = x[T, K] W[N, K]^T              (and forward_swiglu, as there)
//
// W may be f16, or of blocks that are unpacked, and rounded, to f16. Called by beyond/kernels/chosen-linear.ts where
// tuning chose it. matmul-matrix-backward.wgsl makes the products of the backward pass of its parts. Needs chromium_experimental_subgroup_matrix.
//
// A subgroup makes SUB_ROWS x SUB_COLUMNS outputs, as R x C matrices of M x N; a workgroup is GROUP_Y x
// GROUP_X subgroups, and walks K in steps of DEPTH. What each idea buys, for the tiles 128x128 and 16x16, in
// counts: no time of this file has been taken on a GPU.
//
//   matrices          one instruction of a subgroup multiplies M x N x K: 4,096 multiply-adds on NVIDIA's GPUs,
//                     where a lane's fma makes 32 of them a subgroup. A matrix that is loaded is used R or C
//                     times: (4 + 2) 512 bytes of workgroup memory for 8 products, 0.09 bytes a multiply-add.
//   workgroup memory  a multiply-add costs (1 / rows + 1 / columns) x 2 bytes loaded from buffers: 1/32 byte.
//                     Blocks of W are unpacked once for all the rows of a tile.
//   padding           rows in workgroup memory are 16 bytes longer than they need be, so that the eight rows
//                     which a load reads at once lie in different banks.
//   double buffering  the loads of the next step are in flight while this one is multiplied, and there is
//                     one barrier a step.
//   deep steps        with few rows the weights are waited for: 16 columns x 256 halves are 8 KiB a workgroup
//                     in flight. At 0.7 microseconds of latency, 60 % of an H100's 3.35 TB/s needs 1.4 MB:
//                     N / 16 workgroups have 0.3 MB at N = 576, and 1.6 MB at N = 3072.
//
// The matrices of an output are added in the order of K in steps of K, by one subgroup: its bits depend on
// neither the tile nor how many rows are in flight. Past an end the factors are zeros.

enable f16;
enable subgroups;
enable subgroup_size_control;
enable chromium_experimental_subgroup_matrix;

// include "linear.wgsl"

// The adapter's matrices: left [M, K], right [K, N], result [M, N].
const M: u32 = 16u;
const N: u32 = 16u;
const K: u32 = 16u;

const SUBGROUP: u32 = 32u;                // lanes
const SUB_ROWS: u32 = 64u;                // outputs of a subgroup
const SUB_COLUMNS: u32 = 32u;
const GROUP_X: u32 = 4u;                  // subgroups along the columns
const GROUP_Y: u32 = 2u;                  // and along the rows
const DEPTH: u32 = 32u;                   // of K in a step
const X_LOADS: u32 = 4u;                  // vectors that an invocation stages of x: TILE_ROWS DEPTH / 4 / THREADS,
const W_LOADS: u32 = 4u;                  // and of W
const STRIP: u32 = 1u;                    // matrices side by side that give each lane a vector: 2 of 8 x 8
const R: u32 = SUB_ROWS / M;
const C: u32 = SUB_COLUMNS / N;
const STRIPS: u32 = C / STRIP;
const THREADS: u32 = SUBGROUP * GROUP_X * GROUP_Y;
const TILE_ROWS: u32 = GROUP_Y * SUB_ROWS;
const TILE_COLUMNS: u32 = GROUP_X * SUB_COLUMNS;

// In vectors of four:
const STEP: u32 = DEPTH / 4u;
const STRIDE: u32 = STEP + 2u;
const WIDTH: u32 = STRIP * N / 4u;
const TAKEN: u32 = M * WIDTH / SUBGROUP;  // of a strip, by each lane

var<workgroup> left: array<vec4h, 2u * TILE_ROWS * STRIDE>;        // x, [2][TILE_ROWS][DEPTH]
var<workgroup> right: array<vec4h, 2u * TILE_COLUMNS * STRIDE>;    // W, [2][TILE_COLUMNS][DEPTH]
var<workgroup> made: array<vec4f, THREADS * TAKEN>;                // one strip of each subgroup, [M][WIDTH]

alias Left = subgroup_matrix_left<f16, K, M>;
alias Right = subgroup_matrix_right<f16, N, K>;
alias Result = subgroup_matrix_result<f32, N, M>;
alias Tile = array<Result, R * C>;
alias Vectors = array<vec4f, R * STRIPS * TAKEN>;

// The tile that a workgroup makes. What all its invocations, or those of a subgroup, have in common is kept apart
// from their indices, or WGSL would not believe it.
struct Place {
  row: u32,            // the tile's first row
  column: u32,         // and first column
  subgroup: u32,       // who asks
}

fn place(group: vec3u, subgroup: u32) -> Place {
  return Place(group.y * TILE_ROWS, group.x * TILE_COLUMNS, subgroup);
}

// In the tile, the first row and column of a subgroup's outputs.
fn sub_row(subgroup: u32) -> u32 { return subgroup / GROUP_X * SUB_ROWS; }
fn sub_column(subgroup: u32) -> u32 { return subgroup % GROUP_X * SUB_COLUMNS; }

// Vector `at` of a row of each factor, zero past its end: what lies there may be anything.

fn x_at(row: u32, at: u32) -> vec4h {
  let k4 = params.inputs / 4u;
  if (row >= params.rows || at >= k4) { return vec4h(); }
  return vec4h(x[row * k4 + at]);
}

fn w_at(row: u32, at: u32) -> vec4h {
  let k4 = params.inputs / 4u;
  if (row >= params.outputs || at >= k4) { return vec4h(); }
  let start = weight_row(first_row + row, k4);
  return vec4h(weight(start, at, weight_scale(start, at, k4)));
}

fn multiply(sum: ptr<function, Tile>, buffer: u32, at: Place) {
  let l = (buffer * TILE_ROWS + sub_row(at.subgroup)) * STRIDE;
  let r = (buffer * TILE_COLUMNS + sub_column(at.subgroup)) * STRIDE;
  for (var k = 0u; k < STEP; k += K / 4u) {
    var a: array<Left, R>;
    // unroll
    for (var i = 0u; i < R; i++) {
      a[i] = subgroupMatrixLoad<Left, row_major>(&left, l + i * M * STRIDE + k, STRIDE);
    }
    // unroll
    for (var j = 0u; j < C; j++) {
      let b = subgroupMatrixLoad<Right, col_major>(&right, r + j * N * STRIDE + k, STRIDE);
      // unroll
      for (var i = 0u; i < R; i++) {
        (*sum)[i * C + j] = subgroupMatrixMultiplyAccumulate(a[i], b, (*sum)[i * C + j]);
      }
    }
  }
}

// Each round loads a step, multiplies the one before meanwhile, and stages what it has loaded.
fn forward_tile(at: Place, index: u32) -> Vectors {
  var sum: Tile;
  let count = (params.inputs + DEPTH - 1u) / DEPTH;
  for (var step = 0u; step <= count; step++) {
    var of_x: array<vec4h, X_LOADS>;
    var of_w: array<vec4h, W_LOADS>;
    // unroll
    for (var i = 0u; i < X_LOADS; i++) {
      let v = index + i * THREADS;
      of_x[i] = x_at(at.row + v / STEP, step * STEP + v % STEP);
    }
    // unroll
    for (var i = 0u; i < W_LOADS; i++) {
      let v = index + i * THREADS;
      of_w[i] = w_at(at.column + v / STEP, step * STEP + v % STEP);
    }
    if (step > 0u) { multiply(&sum, (step - 1u) % 2u, at); }
    let l = step % 2u * TILE_ROWS;
    let r = step % 2u * TILE_COLUMNS;
    // unroll
    for (var i = 0u; i < X_LOADS; i++) {
      let v = index + i * THREADS;
      left[(l + v / STEP) * STRIDE + v % STEP] = of_x[i];
    }
    // unroll
    for (var i = 0u; i < W_LOADS; i++) {
      let v = index + i * THREADS;
      right[(r + v / STEP) * STRIDE + v % STEP] = of_w[i];
    }
    workgroupBarrier();
  }
  return taken_from(&sum, at, index);
}

// The result leaves through workgroup memory, a strip at a time, for matrices have no elements that a lane could name.
fn taken_from(sum: ptr<function, Tile>, at: Place, index: u32) -> Vectors {
  var taken: Vectors;
  // unroll
  for (var i = 0u; i < R; i++) {
    // unroll
    for (var j = 0u; j < STRIPS; j++) {
      // unroll
      for (var m = 0u; m < STRIP; m++) {
        let matrix = (*sum)[i * C + j * STRIP + m];
        subgroupMatrixStore<row_major>(&made, at.subgroup * M * WIDTH + m * N / 4u, matrix, WIDTH);
      }
      workgroupBarrier();
      for (var v = 0u; v < TAKEN; v++) {
        taken[(i * STRIPS + j) * TAKEN + v] = made[index / SUBGROUP * M * WIDTH + lane_vector(index, v)];
      }
      workgroupBarrier();
    }
  }
  return taken;
}

// Vector v that an invocation takes of a strip.
fn lane_vector(index: u32, v: u32) -> u32 { return index % SUBGROUP + v * SUBGROUP; }

// Where vector i of those taken goes: a vector of columns of a row.
fn output(at: Place, index: u32, i: u32) -> vec2u {
  let subgroup = index / SUBGROUP;
  let strip = i / TAKEN;
  let v = lane_vector(index, i % TAKEN);
  let column = at.column + sub_column(subgroup) + strip % STRIPS * STRIP * N;
  let row = at.row + sub_row(subgroup) + strip / STRIPS * M;
  return vec2u(column / 4u + v % WIDTH, row + v / WIDTH);
}

@compute @workgroup_size(THREADS) @subgroup_size(SUBGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let at = place(group, subgroup);
  var taken = forward_tile(at, index);
  for (var i = 0u; i < R * STRIPS * TAKEN; i++) { finish(output(at, index, i), taken[i]); }
}

@compute @workgroup_size(THREADS) @subgroup_size(SUBGROUP)
fn forward_swiglu(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let at = place(group, subgroup);
  var gate = forward_tile(at, index);
  first_row = params.outputs;
  var up = forward_tile(at, index);
  for (var i = 0u; i < R * STRIPS * TAKEN; i++) { finish_swiglu(output(at, index, i), gate[i], up[i]); }
}
