// The products of matmul.wgsl (read that one first: the same formulas, and the same order of adding, so the same
// bits) for CPUs that play GPU, where a subgroup is one vector register and a load is a branch and a move for each of
// its lanes:
//
//   forward           y[T, N]  = x[T, K] W[N, K]^T              (and forward_swiglu, as there)
//   backward_input    dx[T, K] = dy[T, N] W[N, K]
//   backward_weight   dW[N, K] += sum over t of dy[t, N]^T x[t, K]
//
// Called by beyond/kernels/chosen-linear.ts where beyond/kernels/variants.ts or tuning chose it. Needs subgroups of LANES
// lanes.
//
// A subgroup makes ROWS x 4 LANES outputs: each lane four columns of all rows. What a column needs, one lane loads.
// What a row needs, all lanes need: each loads its share of the rows and hands it round by subgroupBroadcast, an
// instruction or two. So a lane loads 4 + ROWS / LANES vectors for 16 ROWS multiply-adds, where matmul.wgsl with 4 x 8
// outputs loads 12 for 128. On lavapipe, with eight lanes, 512 rows of SmolLM2-135M's layers run at 57 GFLOP/s forward
// and 49 for the gradient of W, where matmul.wgsl has 22 and 20; eight rows at 37 and 18. SwiftShader has four lanes:
// eight rows run there at 6.3 GFLOP/s and not 4.6, and of many rows 16 x 16 outputs a lane are faster.

enable subgroups;

// include "linear.wgsl"

const LANES: u32 = 8u;              // of a subgroup, which is a workgroup
const ROWS: u32 = 16u;              // of outputs
const SHARES: u32 = 2u;             // vectors that a lane loads for all: ROWS / LANES, at least 1
const R: u32 = ROWS / 4u;

alias Tile = array<vec4f, ROWS>;    // a vector of columns in each row

// A lane, and the first of the vectors that it makes: the others lie below it.
struct Place {
  at: vec2u,
  lane: u32,
}

// Workgroups that follow each other have the same columns of W and the next rows of x: what is fetched anew for each is
// half as much as the other way round, rows being half as many as columns.
fn place(group: vec3u, lane: u32) -> Place {
  return Place(vec2u(group.y * LANES + lane, group.x * ROWS), lane);
}

// Where a lane's share of the rows begins, these being `stride` apart.
fn shares(place: Place, stride: u32) -> array<u32, SHARES> {
  var starts: array<u32, SHARES>;
  // unroll
  for (var i = 0u; i < SHARES; i++) {
    starts[i] = min(place.at.y + i * LANES + place.lane, params.rows - 1u) * stride;
  }
  return starts;
}

fn forward_tile(place: Place) -> Tile {
  let k4 = params.inputs / 4u;
  var x_row = shares(place, k4);
  var w_row: array<u32, 4>;
  // unroll
  for (var j = 0u; j < 4u; j++) {
    w_row[j] = weight_row(first_row + min(4u * place.at.x + j, params.outputs - 1u), k4);
  }
  var sum: Tile;
  for (var block = 0u; block < k4; block += SCALED) {
    var scale: array<vec2f, 4>;
    // unroll
    for (var j = 0u; j < 4u; j++) { scale[j] = weight_scale(w_row[j], block, k4); }
    // unroll if once
    for (var v = 0u; v < SCALED; v++) {
      let k = block + v;
      var share: array<vec4f, SHARES>;
      // unroll
      for (var i = 0u; i < SHARES; i++) { share[i] = vec4f(x[x_row[i] + k]); }
      let right = transpose(mat4x4f(
        weight(w_row[0], k, scale[0]), weight(w_row[1], k, scale[1]),
        weight(w_row[2], k, scale[2]), weight(w_row[3], k, scale[3]),
      ));
      // unroll
      for (var i = 0u; i < ROWS; i++) { sum[i] += right * subgroupBroadcast(share[i / LANES], i % LANES); }
    }
  }
  return sum;
}

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let place = place(group, lane);
  var tile = forward_tile(place);
  for (var i = 0u; i < ROWS; i++) { finish(place.at + vec2u(0u, i), tile[i]); }
}

@compute @workgroup_size(LANES)
fn forward_swiglu(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let place = place(group, lane);
  var gate = forward_tile(place);
  first_row = params.outputs;
  var up = forward_tile(place);
  for (var i = 0u; i < ROWS; i++) { finish_swiglu(place.at + vec2u(0u, i), gate[i], up[i]); }
}

@compute @workgroup_size(LANES)
fn backward_input(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let place = place(group, lane);
  let k4 = params.inputs / 4u;
  let k = min(place.at.x, k4 - 1u);
  var dy_row = shares(place, params.y_stride);
  // unroll
  for (var i = 0u; i < SHARES; i++) { dy_row[i] = (dy_row[i] + params.y_column) / 4u; }
  var sum: Tile;
  let blocks = params.outputs / 4u;
  for (var n = 0u; n < blocks; n++) {
    var share: array<vec4f, SHARES>;
    // unroll
    for (var i = 0u; i < SHARES; i++) { share[i] = dy[dy_row[i] + n]; }
    var right: mat4x4f;
    // unroll
    for (var i = 0u; i < 4u; i++) {
      let w_row = weight_row(4u * n + i, k4);
      right[i] = weight(w_row, k, weight_scale(w_row, k, k4));
    }
    // unroll
    for (var i = 0u; i < ROWS; i++) { sum[i] += right * subgroupBroadcast(share[i / LANES], i % LANES); }
  }
  for (var n = 4u * blocks; n < params.outputs; n++) {
    var share: array<f32, SHARES>;
    // unroll
    for (var i = 0u; i < SHARES; i++) { share[i] = dy[dy_row[i] + blocks][n % 4u]; }
    let w_row = weight_row(n, k4);
    let right = weight(w_row, k, weight_scale(w_row, k, k4));
    // unroll
    for (var i = 0u; i < ROWS; i++) { sum[i] += right * subgroupBroadcast(share[i / LANES], i % LANES); }
  }
  for (var i = 0u; i < ROWS; i++) { store_input(place.at + vec2u(0u, i), sum[i]); }
}

// The rows of dW are columns of dy: R vectors of a token, so that four tokens have ROWS to share out.
@compute @workgroup_size(LANES)
fn backward_weight(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let place = place(group, lane);
  let k4 = params.inputs / 4u;
  let k = min(place.at.x, k4 - 1u);
  let stride = params.y_stride / 4u;
  let last = (params.outputs - 1u) / 4u;
  var dy_start: array<u32, SHARES>;
  // unroll
  for (var i = 0u; i < SHARES; i++) {
    let s = i * LANES + lane;
    dy_start[i] = params.y_column / 4u + min(place.at.y / 4u + s % R, last) + s / R % 4u * stride;
  }
  var sum: Tile;
  let blocks = params.rows / 4u;
  for (var t = 0u; t < 4u * blocks; t += 4u) {
    var share: array<vec4f, SHARES>;
    // unroll
    for (var i = 0u; i < SHARES; i++) { share[i] = dy[dy_start[i] + t * stride]; }
    let at = t * k4 + k;
    let right = mat4x4f(vec4f(x[at]), vec4f(x[at + k4]), vec4f(x[at + 2u * k4]), vec4f(x[at + 3u * k4]));
    // unroll
    for (var r = 0u; r < R; r++) {
      let left = transpose(mat4x4f(
        subgroupBroadcast(share[r / LANES], r % LANES),
        subgroupBroadcast(share[(R + r) / LANES], (R + r) % LANES),
        subgroupBroadcast(share[(2u * R + r) / LANES], (2u * R + r) % LANES),
        subgroupBroadcast(share[(3u * R + r) / LANES], (3u * R + r) % LANES),
      ));
      sum[4u * r] += right * left[0];
      sum[4u * r + 1u] += right * left[1];
      sum[4u * r + 2u] += right * left[2];
      sum[4u * r + 3u] += right * left[3];
    }
  }
  for (var t = 4u * blocks; t < params.rows; t++) {
    let share = dy[params.y_column / 4u + min(place.at.y / 4u + lane % R, last) + t * stride];
    let right = vec4f(x[t * k4 + k]);
    // unroll
    for (var r = 0u; r < R; r++) {
      let left = subgroupBroadcast(share, r);
      sum[4u * r] += right * left.x;
      sum[4u * r + 1u] += right * left.y;
      sum[4u * r + 2u] += right * left.z;
      sum[4u * r + 3u] += right * left.w;
    }
  }
  for (var i = 0u; i < ROWS; i++) { store_weight(place.at + vec2u(0u, i), sum[i]); }
}
