// The products of matmul.wgsl (read that one first: the same formulas, and K, T, N and the strides are bound
// as there) for GPUs, where invocations of a workgroup share what they load.
//
//   forward           y[T, N]  = x[T, K] W[N, K]^T              (and forward_swiglu, as there)
//
// Called by beyond/kernels/chosen-linear.ts where beyond/kernels/matmuls.ts says so. matmul-tiled-backward.wgsl makes the
// products of the backward pass of its parts.
//
// A workgroup makes TILE_ROWS x 4 TILE_VECTORS outputs, and walks the contraction in steps of 4 DEPTH:
// its invocations put both factors of a step into workgroup memory, and then each multiplies what its
// ROWS x 4 VECTORS outputs need. What each idea buys, for the shapes "many" (64 x 64 outputs a workgroup,
// 8 x 8 an invocation) and "few" (16 x 16 and 1 x 4, for the rows of decoding). These are counts; no time
// of this file has been taken on a GPU yet.
//
//   workgroup memory  a multiply-add costs (1 / rows + 1 / columns) x 4 bytes of f32 loaded from buffers:
//                     1/8 byte for many, 1/2 for few, where matmul.wgsl loads 1.5 with tiles of 4 x 8.
//                     Quantised weights are unpacked once for all the rows of a tile.
//   registers         of workgroup memory it reads 1 byte for many, and 5 for few, which has the memory of
//                     the weights to wait for; with one output an invocation, 8.
//   vec4              a load, a store and a read of workgroup memory move 16 bytes. An invocation stages
//                     one block of 4 x 4 of each factor, and turns it in registers if it lies the other way.
//   double buffering  the loads of the next step are in flight while this one is multiplied, and there is
//                     one barrier a step, not two. 16 KiB of workgroup memory, which every adapter has.
//
// Each output is one chain of fma in the order of the contraction, in one invocation: its bits depend on
// neither the shape of the tile nor how many rows are in flight. Past an end the factors are zeros.
// With LANES > 1, forward adds in the order of matmul-lanes.wgsl instead, for the many rows of shapes whose few
// rows that file makes.

// include "linear.wgsl"

const GROUP_X: u32 = 8u;                  // invocations along the columns
const GROUP_Y: u32 = 8u;                  // and along the rows
const ROWS: u32 = 8u;                     // rows of an invocation, GROUP_Y apart
const VECTORS: u32 = 2u;                  // vectors of four columns, GROUP_X apart
const OUTPUTS: u32 = ROWS * VECTORS;      // vectors of an invocation
const TILE_ROWS: u32 = GROUP_Y * ROWS;
const TILE_VECTORS: u32 = GROUP_X * VECTORS;
// One 4 x 4 block of each factor for every invocation: 4 GROUP_X = ROWS DEPTH. A power of two.
const DEPTH: u32 = GROUP_Y / VECTORS;
const STAGED: u32 = 4u * GROUP_X * GROUP_Y;
const LANES: u32 = 1u;                    // partial sums of forward, made one after the other

var<workgroup> left: array<vec4f, 2u * STAGED>;    // [TILE_ROWS][DEPTH], vectors along the contraction
var<workgroup> right: array<vec4f, 2u * STAGED>;   // [4 DEPTH][TILE_VECTORS], vectors along the columns

alias Tile = array<vec4f, OUTPUTS>;

struct Invocation {
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) lane: vec3u,
  @builtin(local_invocation_index) index: u32,
}

// The tile that a workgroup makes, and what one of its invocations does for it.
struct Place {
  row: u32,            // the tile's first row
  vector: u32,         // and first vector of columns
  lane: vec2u,         // of the invocation's outputs: their first vector of columns in the tile, and first row
  left_row: u32,       // in the tile: first row and vector of the block of the left factor that it stages,
  left_depth: u32,
  right_depth: u32,    // and of the right one: a vector of the contraction, a vector of columns
  right_vector: u32,
}

// Neighbours load what lies side by side: the left factor along its rows, the right along a row of outputs.
fn place(invocation: Invocation) -> Place {
  let group = invocation.group;
  let index = invocation.index;
  return Place(
    group.y * TILE_ROWS, group.x * TILE_VECTORS, invocation.lane.xy,
    4u * (index / DEPTH), index % DEPTH,
    index / TILE_VECTORS, index % TILE_VECTORS,
  );
}

// Where vector i of an invocation's tile goes: a vector of columns of a row.
fn output(at: Place, i: u32) -> vec2u {
  return vec2u(at.vector + at.lane.x + i % VECTORS * GROUP_X, at.row + at.lane.y + i / VECTORS * GROUP_Y);
}

// Rows are DEPTH vectors apart, which would put those that a subgroup reads at once into the same banks.
fn left_at(row: u32, depth: u32) -> u32 { return row * DEPTH + (depth ^ (row % DEPTH)); }

fn stage(buffer: u32, at: Place, l: mat4x4f, r: mat4x4f) {
  // unroll
  for (var i = 0u; i < 4; i++) {
    left[buffer * STAGED + left_at(at.left_row + i, at.left_depth)] = l[i];
    right[buffer * STAGED + (4u * at.right_depth + i) * TILE_VECTORS + at.right_vector] = r[i];
  }
}

fn multiply(sum: ptr<function, Tile>, buffer: u32, lane: vec2u) {
  let l = buffer * STAGED;
  let r = l + lane.x;
  for (var depth = 0u; depth < DEPTH; depth++) {
    var a: array<vec4f, ROWS>;
    // unroll
    for (var i = 0u; i < ROWS; i++) { a[i] = left[l + left_at(lane.y + i * GROUP_Y, depth)]; }
    // unroll
    for (var k = 0u; k < 4; k++) {
      // unroll
      for (var j = 0u; j < VECTORS; j++) {
        let b = right[r + (4u * depth + k) * TILE_VECTORS + j * GROUP_X];
        // unroll
        for (var i = 0u; i < ROWS; i++) {
          (*sum)[i * VECTORS + j] = fma(vec4f(a[i][k]), b, (*sum)[i * VECTORS + j]);
        }
      }
    }
  }
}

// Vector `at` of a row of each tensor, zero past its end: what lies there may be anything.

fn x_at(row: u32, at: u32) -> vec4f {
  let k4 = params.inputs / 4u;
  if (row >= params.rows || at >= k4) { return vec4f(); }
  return vec4f(x[row * k4 + at]);
}

fn w_at(row: u32, at: u32) -> vec4f {
  let k4 = params.inputs / 4u;
  if (row >= params.outputs || at >= k4) { return vec4f(); }
  let start = weight_row(first_row + row, k4);
  return weight(start, at, weight_scale(start, at, k4));
}

fn x_block(row: u32, at: u32) -> mat4x4f {
  return mat4x4f(x_at(row, at), x_at(row + 1u, at), x_at(row + 2u, at), x_at(row + 3u, at));
}

fn w_block(row: u32, at: u32) -> mat4x4f {
  return mat4x4f(w_at(row, at), w_at(row + 1u, at), w_at(row + 2u, at), w_at(row + 3u, at));
}

// Each round loads a step, multiplies the one before meanwhile, and stages what it has loaded.
fn forward_tile(at: Place) -> Tile {
  var sum: Tile;
  var total: Tile;
  let row = at.row + at.left_row;
  let column = 4u * (at.vector + at.right_vector);
  let of_lane = (params.inputs + 4u * DEPTH * LANES - 1u) / (4u * DEPTH * LANES);
  let count = LANES * of_lane;
  for (var step = 0u; step <= count; step++) {
    let l = x_block(row, contracted(step, of_lane, at.left_depth));
    let r = transpose(w_block(column, contracted(step, of_lane, at.right_depth)));
    if (step > 0u) { multiply(&sum, (step - 1u) % 2u, at.lane); }
    if (LANES > 1u && step > 0u && step % of_lane == 0u) {
      for (var i = 0u; i < OUTPUTS; i++) {
        total[i] += sum[i];
        sum[i] = vec4f();
      }
    }
    stage(step % 2u, at, l, r);
    workgroupBarrier();
  }
  if (LANES > 1u) { return total; }
  return sum;
}

// Which vector of the contraction is number `depth` of a step, each lane having `of_lane` steps: every LANES-th
// run of four vectors is the lane's.
fn contracted(step: u32, of_lane: u32, depth: u32) -> u32 {
  if (LANES == 1u) { return step * DEPTH + depth; }
  let i = step % of_lane * DEPTH + depth;
  return (i / 4u * LANES + step / of_lane) * 4u + i % 4u;
}

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn forward(invocation: Invocation) {
  let at = place(invocation);
  var tile = forward_tile(at);
  for (var i = 0u; i < OUTPUTS; i++) { finish(output(at, i), tile[i]); }
}

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn forward_swiglu(invocation: Invocation) {
  let at = place(invocation);
  var gate = forward_tile(at);
  first_row = params.outputs;
  var up = forward_tile(at);
  for (var i = 0u; i < OUTPUTS; i++) { finish_swiglu(output(at, i), gate[i], up[i]); }
}
