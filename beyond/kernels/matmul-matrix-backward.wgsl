// The products of the backward pass by subgroup matrices: matmul-matrix.wgsl, which is included, has the
// tiles, the loads of x and W, and how a result leaves its matrices.
//
//   backward_input    dx[T, K] = s (f16(dy / s)[T, N] W[N, K])
//   backward_weight   dW[N, K] += s (f16(dy / s)[T, N]^T x[T, K])
//
// x and W are in f16 as forward reads them; dy, dx and dW are f32. dy has a range that f16 has not, so that it is
// rounded as a share of its largest magnitude: s is the power of two by which this comes to lie between 2^14 and
// 2^15, as f16-range.wgsl says. Neither the division nor the product by s rounds,
// and what is lost is
//
//   |s f16(dy / s) - dy| <= max(2^-11 |dy|, 2^-39 max |dy|)
//
// where dy / s is rounded to the nearest: what f16 keeps of any number, for values down to 2^-28 of the largest, and
// what fixed point keeps below. Nothing overflows, zeros stay zeros, and the loss needs no scaling. An infinity or
// NaN in dy makes no output finite: no step is taken on what is left of it. s is 2^-126 or more, so that gradients
// which are all below 2^-112 keep less.
//
// matmul-largest.wgsl has found the magnitude, in parts, for both products. Called by
// beyond/kernels/chosen-linear.ts where beyond/kernels/matmuls.ts says so. Counts for the tile 128x128, as no time has been taken on a GPU: a
// multiply-add costs 2 / rows + 4 / columns bytes loaded from buffers, 3/64, dy being f32; that matmul-largest.wgsl
// reads dy too costs 2 / K more, 1/288 at K = 576.
//
// A factor that lies the other way in its buffer is staged as it lies, and its matrices are loaded the other way:
// nothing is turned by hand. The matrices of an output are added in the order of the contraction, in steps of K, by
// one subgroup: its bits do not depend on the tile, nor, but for values so small, on what else is in flight.

// include "f16-range.wgsl"
// include "matmul-matrix.wgsl"

@group(0) @binding(8) var<storage, read> partial: array<vec4u>;    // [PARTS], of matmul-largest.wgsl

const PARTS: u32 = 256u;

// In vectors of four, of factors whose rows are steps of the contraction:
const ROWS: u32 = TILE_ROWS / 4u;
const COLUMNS: u32 = TILE_COLUMNS / 4u;
const ROWS_STRIDE: u32 = ROWS + 2u;
const COLUMNS_STRIDE: u32 = COLUMNS + 2u;

var<workgroup> left_turned: array<vec4h, 2u * DEPTH * ROWS_STRIDE>;          // dy, [2][DEPTH][TILE_ROWS]
var<workgroup> right_turned: array<vec4h, 2u * DEPTH * COLUMNS_STRIDE>;      // W or x, [2][DEPTH][TILE_COLUMNS]

// The power of two for dy, from its largest magnitude.
fn gradient_power(index: u32) -> Power {
  var most = vec4u();
  // A fixed number of rounds, so that all lanes are still together after it.
  for (var i = 0u; i < PARTS / 4u / SUBGROUP; i++) {
    most = max(most, partial[index % SUBGROUP + i * SUBGROUP]);
  }
  let largest = subgroupMax(max(max(most.x, most.y), max(most.z, most.w)));
  return power_for(largest, 14 - exponent_of(largest));
}

// Adds what matrices of the left factor make with those of the right one, of which the first begins at `right`.
fn accumulate(sum: ptr<function, Tile>, a: ptr<function, array<Left, R>>, right: u32) {
  // unroll
  for (var j = 0u; j < C; j++) {
    let b = subgroupMatrixLoad<Right, row_major>(&right_turned, right + j * N / 4u, COLUMNS_STRIDE);
    // unroll
    for (var i = 0u; i < R; i++) {
      (*sum)[i * C + j] = subgroupMatrixMultiplyAccumulate((*a)[i], b, (*sum)[i * C + j]);
    }
  }
}

fn multiply_input(sum: ptr<function, Tile>, buffer: u32, at: Place) {
  let l = (buffer * TILE_ROWS + sub_row(at.subgroup)) * STRIDE;
  let r = buffer * DEPTH * COLUMNS_STRIDE + sub_column(at.subgroup) / 4u;
  for (var n = 0u; n < DEPTH; n += K) {
    var a: array<Left, R>;
    // unroll
    for (var i = 0u; i < R; i++) {
      a[i] = subgroupMatrixLoad<Left, row_major>(&left, l + i * M * STRIDE + n / 4u, STRIDE);
    }
    accumulate(sum, &a, r + n * COLUMNS_STRIDE);
  }
}

fn multiply_weight(sum: ptr<function, Tile>, buffer: u32, at: Place) {
  let l = buffer * DEPTH * ROWS_STRIDE + sub_row(at.subgroup) / 4u;
  let r = buffer * DEPTH * COLUMNS_STRIDE + sub_column(at.subgroup) / 4u;
  for (var t = 0u; t < DEPTH; t += K) {
    var a: array<Left, R>;
    // unroll
    for (var i = 0u; i < R; i++) {
      a[i] = subgroupMatrixLoad<Left, col_major>(&left_turned, l + t * ROWS_STRIDE + i * M / 4u, ROWS_STRIDE);
    }
    accumulate(sum, &a, r + t * COLUMNS_STRIDE);
  }
}

alias Loaded = array<vec4h, W_LOADS>;

fn stage_right(buffer: u32, index: u32, loaded: ptr<function, Loaded>) {
  // unroll
  for (var i = 0u; i < W_LOADS; i++) {
    let v = index + i * THREADS;
    right_turned[(buffer * DEPTH + v / COLUMNS) * COLUMNS_STRIDE + v % COLUMNS] = (*loaded)[i];
  }
}

// Rounds are as in forward_tile; X_LOADS are of dy, and W_LOADS of the other factor.

fn backward_input_tile(at: Place, index: u32, into: f32) -> Vectors {
  var sum: Tile;
  let count = (params.outputs + DEPTH - 1u) / DEPTH;
  for (var step = 0u; step <= count; step++) {
    var of_dy: array<vec4h, X_LOADS>;
    var of_w: Loaded;
    // unroll
    for (var i = 0u; i < X_LOADS; i++) {
      let v = index + i * THREADS;
      of_dy[i] = vec4h(into * dy_at(at.row + v / STEP, step * STEP + v % STEP));
    }
    // unroll
    for (var i = 0u; i < W_LOADS; i++) {
      let v = index + i * THREADS;
      of_w[i] = w_at(step * DEPTH + v / COLUMNS, at.column / 4u + v % COLUMNS);
    }
    if (step > 0u) { multiply_input(&sum, (step - 1u) % 2u, at); }
    let l = step % 2u * TILE_ROWS;
    // unroll
    for (var i = 0u; i < X_LOADS; i++) {
      let v = index + i * THREADS;
      left[(l + v / STEP) * STRIDE + v % STEP] = of_dy[i];
    }
    stage_right(step % 2u, index, &of_w);
    workgroupBarrier();
  }
  return taken_from(&sum, at, index);
}

fn backward_weight_tile(at: Place, index: u32, into: f32) -> Vectors {
  var sum: Tile;
  let count = (params.rows + DEPTH - 1u) / DEPTH;
  for (var step = 0u; step <= count; step++) {
    var of_dy: array<vec4h, X_LOADS>;
    var of_x: Loaded;
    // unroll
    for (var i = 0u; i < X_LOADS; i++) {
      let v = index + i * THREADS;
      of_dy[i] = vec4h(into * dy_at(step * DEPTH + v / ROWS, at.row / 4u + v % ROWS));
    }
    // unroll
    for (var i = 0u; i < W_LOADS; i++) {
      let v = index + i * THREADS;
      of_x[i] = x_at(step * DEPTH + v / COLUMNS, at.column / 4u + v % COLUMNS);
    }
    if (step > 0u) { multiply_weight(&sum, (step - 1u) % 2u, at); }
    let l = step % 2u * DEPTH;
    // unroll
    for (var i = 0u; i < X_LOADS; i++) {
      let v = index + i * THREADS;
      left_turned[(l + v / ROWS) * ROWS_STRIDE + v % ROWS] = of_dy[i];
    }
    stage_right(step % 2u, index, &of_x);
    workgroupBarrier();
  }
  return taken_from(&sum, at, index);
}

@compute @workgroup_size(THREADS) @subgroup_size(SUBGROUP)
fn backward_input(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let at = place(group, subgroup);
  let power = gradient_power(index);
  var taken = backward_input_tile(at, index, power.into);
  for (var i = 0u; i < R * STRIPS * TAKEN; i++) { store_input(output(at, index, i), power.back * taken[i]); }
}

@compute @workgroup_size(THREADS) @subgroup_size(SUBGROUP)
fn backward_weight(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let at = place(group, subgroup);
  let power = gradient_power(index);
  var taken = backward_weight_tile(at, index, power.into);
  for (var i = 0u; i < R * STRIPS * TAKEN; i++) { store_weight(output(at, index, i), power.back * taken[i]); }
}
