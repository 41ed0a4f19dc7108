// The three products of a linear layer y = x W^T, W stored [N, K] as torch's nn.Linear stores it:
//
//   forward           y[T, N]  = x[T, K] W[N, K]^T              (or y +=, or added to a residual: outputs/)
//   forward_swiglu    y[T, N]  = activation(x G^T) * (x U^T), W[2 N, K] being G above U, rounded as y is stored
//   backward_input    dx[T, K] = dy[T, N] W[N, K]               (added to dx if `add` is 1)
//   backward_weight   dW[N, K] += sum over t of dy[t, N]^T x[t, K]
//
// W is read through one of shaders/weights/, by its format; a format of blocks needs K to be a multiple of
// theirs. backward_weight has no W and knows float32 alone: what is not float32 is not trained.
// Called by lib/model/ops/linear.ts, for every linear layer and the LM head.
//
// K is a multiple of 4, and so are the row strides of y, dy and a residual (`y_stride` may exceed N
// when the rows are a block of something wider); T and N are anything. One invocation owns a tile of
// TILE_ROWS x TILE_COLUMNS outputs in registers and walks the whole contraction alone, in order: no
// workgroup memory, no barrier, and an output never depends on how many other rows are in flight.
// A tile is made of 4 x 4 blocks, each a mat4x4f whose columns are the block's rows. A larger tile
// loads less for each product and needs more registers.

// include "linear.wgsl"

const TILE_ROWS: u32 = 4u;
const TILE_COLUMNS: u32 = 8u;
const R: u32 = TILE_ROWS / 4u;      // blocks
const C: u32 = TILE_COLUMNS / 4u;
const GROUP_X: u32 = 8u;
const GROUP_Y: u32 = 8u;

alias Tile = array<mat4x4f, R * C>;

fn forward_tile(row: u32, column: u32) -> Tile {
  let k4 = params.inputs / 4u;
  var x_row: array<u32, TILE_ROWS>;
  // unroll
  for (var i = 0u; i < TILE_ROWS; i++) { x_row[i] = min(row + i, params.rows - 1u) * k4; }
  var w_row: array<u32, TILE_COLUMNS>;
  // unroll
  for (var j = 0u; j < TILE_COLUMNS; j++) {
    w_row[j] = weight_row(first_row + min(column + j, params.outputs - 1u), k4);
  }
  var sum: Tile;
  for (var block = 0u; block < k4; block += SCALED) {
    var scale: array<vec2f, TILE_COLUMNS>;
    // unroll
    for (var j = 0u; j < TILE_COLUMNS; j++) { scale[j] = weight_scale(w_row[j], block, k4); }
    // unroll if once
    for (var v = 0u; v < SCALED; v++) {
      let k = block + v;
      var left: array<mat4x4f, R>;
      // unroll
      for (var i = 0u; i < R; i++) {
        left[i] = mat4x4f(
          vec4f(x[x_row[4u * i] + k]), vec4f(x[x_row[4u * i + 1u] + k]),
          vec4f(x[x_row[4u * i + 2u] + k]), vec4f(x[x_row[4u * i + 3u] + k]),
        );
      }
      // unroll
      for (var j = 0u; j < C; j++) {
        let right = transpose(mat4x4f(
          weight(w_row[4u * j], k, scale[4u * j]),
          weight(w_row[4u * j + 1u], k, scale[4u * j + 1u]),
          weight(w_row[4u * j + 2u], k, scale[4u * j + 2u]),
          weight(w_row[4u * j + 3u], k, scale[4u * j + 3u]),
        ));
        // unroll
        for (var i = 0u; i < R; i++) { sum[i * C + j] += right * left[i]; }
      }
    }
  }
  return sum;
}

// Where vector (i, j) of an invocation's tile goes.
fn output(id: vec3u, i: u32, j: u32) -> vec2u { return vec2u(id.x * C + j, id.y * TILE_ROWS + i); }

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * TILE_ROWS;
  let column = id.x * TILE_COLUMNS;
  if (row >= params.rows || column >= params.outputs) { return; }
  var tile = forward_tile(row, column);
  for (var i = 0u; i < min(TILE_ROWS, params.rows - row); i++) {
    for (var j = 0u; j < C; j++) { finish(output(id, i, j), tile[i / 4u * C + j][i % 4u]); }
  }
}

// One tile after the other, so that no sum changes. What is saved is a dispatch, and writing and reading gate and up:
// on lavapipe 35, 1 and 19 % of the two steps for the embedded model with 1, 32 and 128 rows, and 15, 3 and 2 % for
// SmolLM2-135M with 1, 8 and 64.
@compute @workgroup_size(GROUP_X, GROUP_Y)
fn forward_swiglu(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * TILE_ROWS;
  let column = id.x * TILE_COLUMNS;
  if (row >= params.rows || column >= params.outputs) { return; }
  var gate = forward_tile(row, column);
  first_row = params.outputs;
  var up = forward_tile(row, column);
  for (var i = 0u; i < min(TILE_ROWS, params.rows - row); i++) {
    for (var j = 0u; j < C; j++) {
      finish_swiglu(output(id, i, j), gate[i / 4u * C + j][i % 4u], up[i / 4u * C + j][i % 4u]);
    }
  }
}

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn backward_input(@builtin(global_invocation_id) id: vec3u) {
  let k4 = params.inputs / 4u;
  let row = id.y * TILE_ROWS;
  let column = id.x * C;
  if (row >= params.rows || column >= k4) { return; }
  var dy_row: array<u32, TILE_ROWS>;
  // unroll
  for (var i = 0u; i < TILE_ROWS; i++) {
    dy_row[i] = (min(row + i, params.rows - 1u) * params.y_stride + params.y_column) / 4u;
  }
  var w_column: array<u32, C>;
  // unroll
  for (var j = 0u; j < C; j++) { w_column[j] = min(column + j, k4 - 1u); }
  var sum: Tile;
  let blocks = params.outputs / 4u;
  for (var n = 0u; n < blocks; n++) {
    var left: array<mat4x4f, R>;
    // unroll
    for (var i = 0u; i < R; i++) {
      left[i] = mat4x4f(
        dy[dy_row[4u * i] + n], dy[dy_row[4u * i + 1u] + n],
        dy[dy_row[4u * i + 2u] + n], dy[dy_row[4u * i + 3u] + n],
      );
    }
    var w_row: array<u32, 4>;
    var scale: array<vec2f, 4>; // C divides SCALED, or SCALED is 1: the tile's columns have one scale
    // unroll
    for (var i = 0u; i < 4; i++) {
      w_row[i] = weight_row(4u * n + i, k4);
      scale[i] = weight_scale(w_row[i], column, k4);
    }
    // unroll
    for (var j = 0u; j < C; j++) {
      let k = w_column[j];
      let right = mat4x4f(
        weight(w_row[0], k, scale[0]), weight(w_row[1], k, scale[1]),
        weight(w_row[2], k, scale[2]), weight(w_row[3], k, scale[3]),
      );
      // unroll
      for (var i = 0u; i < R; i++) { sum[i * C + j] += right * left[i]; }
    }
  }
  for (var n = blocks * 4u; n < params.outputs; n++) {
    let w_row = weight_row(n, k4);
    let scale = weight_scale(w_row, column, k4);
    // unroll
    for (var j = 0u; j < C; j++) {
      let right = weight(w_row, w_column[j], scale);
      // unroll
      for (var i = 0u; i < TILE_ROWS; i++) {
        sum[i / 4u * C + j][i % 4u] += right * dy[dy_row[i] + n / 4u][n % 4u];
      }
    }
  }
  var tile = sum;
  for (var i = 0u; i < min(TILE_ROWS, params.rows - row); i++) {
    for (var j = 0u; j < C; j++) { store_input(output(id, i, j), tile[i / 4u * C + j][i % 4u]); }
  }
}

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn backward_weight(@builtin(global_invocation_id) id: vec3u) {
  let k4 = params.inputs / 4u;
  let row = id.y * TILE_ROWS;
  let column = id.x * C;
  if (row >= params.outputs || column >= k4) { return; }
  let stride = params.y_stride / 4u;
  var dy_column: array<u32, R>;
  // unroll
  for (var i = 0u; i < R; i++) {
    dy_column[i] = params.y_column / 4u + min(row / 4u + i, (params.outputs - 1u) / 4u);
  }
  var x_column: array<u32, C>;
  // unroll
  for (var j = 0u; j < C; j++) { x_column[j] = min(column + j, k4 - 1u); }
  var sum: Tile;
  let blocks = params.rows / 4u;
  for (var t = 0u; t < 4u * blocks; t += 4u) {
    var left: array<mat4x4f, R>;
    // unroll
    for (var i = 0u; i < R; i++) {
      let at = t * stride + dy_column[i];
      left[i] = transpose(mat4x4f(dy[at], dy[at + stride], dy[at + 2u * stride], dy[at + 3u * stride]));
    }
    // unroll
    for (var j = 0u; j < C; j++) {
      let at = t * k4 + x_column[j];
      let right = mat4x4f(vec4f(x[at]), vec4f(x[at + k4]), vec4f(x[at + 2u * k4]), vec4f(x[at + 3u * k4]));
      // unroll
      for (var i = 0u; i < R; i++) { sum[i * C + j] += right * left[i]; }
    }
  }
  for (var t = 4u * blocks; t < params.rows; t++) {
    // unroll
    for (var i = 0u; i < R; i++) {
      let left = dy[t * stride + dy_column[i]];
      // unroll
      for (var j = 0u; j < C; j++) {
        let right = vec4f(x[t * k4 + x_column[j]]);
        sum[i * C + j] += mat4x4f(right * left.x, right * left.y, right * left.z, right * left.w);
      }
    }
  }
  var tile = sum;
  for (var i = 0u; i < min(TILE_ROWS, params.outputs - row); i++) {
    for (var j = 0u; j < C; j++) { store_weight(output(id, i, j), tile[i / 4u * C + j][i % 4u]); }
  }
}
