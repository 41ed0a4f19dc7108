// RMSNorm (Zhang and Sennrich 2019), with r = 1 / sqrt(mean(x^2) + epsilon) per row:
//
//   forward          y[T, D] = x * r * w                     and saves r[T] as inverse_rms
//   forward_add      y[T, D] = added + x * r * w             likewise
//   backward_input   dx[T, D] += r * (dy * w - x * r^2 * mean(dy * w * x))
//   backward_weight  partial[C, D] = sum over the rows of chunk c of dy * x * r
//   reduce_weight    dw[D] += sum over c of partial[c]
//
//   backward_in_place  dy -> r * (dy * w - x * r^2 * mean(dy * w * x))
//
// w is what the tensor w holds, plus an offset: Gemma's norms multiply by 1 + w.
// backward_input adds, because x also feeds the residual stream whose gradient dx already holds.
// A row may be a head of a token (Qwen3 norms the heads of q and k): then `heads` rows lie side by
// side from column `first` of every token's `stride` elements, in x and y as in their gradients.
// D, `first` and `stride` are multiples of 4. Called by lib/model/ops/rmsnorm.ts.

// include "row.wgsl"

// What activations are stored as: vec4h in runs that say so. Arithmetic and gradients are f32.
alias X = vec4f;
alias Y = vec4f;

struct Params {
  rows: u32,       // T
  width: u32,      // D / 4
  epsilon: f32,
  heads: u32,      // rows in a token; 1 for a norm of whole tokens
  stride: u32,     // vectors between tokens; D / 4 for whole tokens
  first: u32,      // where a token's first row begins, in vectors
  offset: f32,     // of w
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<X>;                         // [T, D]
@group(0) @binding(2) var<storage, read> w: array<vec4f>;                      // [D]
@group(0) @binding(3) var<storage, read_write> y: array<Y>;                   // [T, D]
@group(0) @binding(4) var<storage, read_write> inverse_rms: array<f32>;       // [T]
@group(0) @binding(5) var<storage, read> dy: array<vec4f>;                     // [T, D]
@group(0) @binding(6) var<storage, read_write> dx: array<vec4f>;               // [T, D]
@group(0) @binding(7) var<storage, read_write> partial: array<vec4f>;          // [C, D]
@group(0) @binding(8) var<storage, read_write> dw: array<vec4f>;               // [D]
@group(0) @binding(9) var<storage, read> added: array<vec4f>;                  // [T, D]

const CHUNK: u32 = 128u;

fn row_start(row: u32) -> u32 {
  return row / params.heads * params.stride + params.first + row % params.heads * params.width;
}

fn factor(i: u32) -> vec4f { return w[i] + params.offset; }

// r of the row that begins at `start`
fn row_inverse_rms(start: u32, local: vec3u) -> f32 {
  var squares = 0.0;
  for (var i = local.x; i < params.width; i += LANES) {
    let value = vec4f(x[start + i]);
    squares += dot(value, value);
  }
  return inverseSqrt(row_sum(squares, local) / f32(4u * params.width) + params.epsilon);
}

@compute @workgroup_size(LANES, ROWS)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = (group.x + group.y * groups.x) * ROWS + local.y;
  // Rows past the end work on the last one and write nothing, so that barriers stay uniform.
  let start = row_start(min(row, params.rows - 1u));
  let r = row_inverse_rms(start, local);
  if (row >= params.rows) { return; }
  for (var i = local.x; i < params.width; i += LANES) {
    y[start + i] = Y(vec4f(x[start + i]) * r * factor(i));
  }
  if (local.x == 0u) { inverse_rms[row] = r; }
}

@compute @workgroup_size(LANES, ROWS)
fn forward_add(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = (group.x + group.y * groups.x) * ROWS + local.y;
  let start = row_start(min(row, params.rows - 1u));
  let r = row_inverse_rms(start, local);
  if (row >= params.rows) { return; }
  for (var i = local.x; i < params.width; i += LANES) {
    y[start + i] = Y(added[start + i] + vec4f(x[start + i]) * r * factor(i));
  }
  if (local.x == 0u) { inverse_rms[row] = r; }
}

@compute @workgroup_size(LANES, ROWS)
fn backward_input(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = (group.x + group.y * groups.x) * ROWS + local.y;
  let safe_row = min(row, params.rows - 1u);
  let start = row_start(safe_row);
  var products = 0.0;
  for (var i = local.x; i < params.width; i += LANES) {
    products += dot(dy[start + i] * factor(i), vec4f(x[start + i]));
  }
  let mean = row_sum(products, local) / f32(4u * params.width);
  if (row >= params.rows) { return; }
  let r = inverse_rms[safe_row];
  let shrink = r * r * mean;
  for (var i = local.x; i < params.width; i += LANES) {
    dx[start + i] += r * (dy[start + i] * factor(i) - vec4f(x[start + i]) * shrink);
  }
}

@compute @workgroup_size(LANES, ROWS)
fn backward_in_place(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = (group.x + group.y * groups.x) * ROWS + local.y;
  let safe_row = min(row, params.rows - 1u);
  let start = row_start(safe_row);
  var products = 0.0;
  for (var i = local.x; i < params.width; i += LANES) {
    products += dot(dx[start + i] * factor(i), vec4f(x[start + i]));
  }
  let mean = row_sum(products, local) / f32(4u * params.width);
  if (row >= params.rows) { return; }
  let r = inverse_rms[safe_row];
  let shrink = r * r * mean;
  for (var i = local.x; i < params.width; i += LANES) {
    dx[start + i] = r * (dx[start + i] * factor(i) - vec4f(x[start + i]) * shrink);
  }
}

@compute @workgroup_size(64)
fn backward_weight(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= params.width) { return; }
  let first = id.y * CHUNK;
  var sum = vec4f();
  for (var t = first; t < min(first + CHUNK, params.rows); t++) {
    let at = row_start(t) + column;
    sum += dy[at] * vec4f(x[at]) * inverse_rms[t];
  }
  partial[id.y * params.width + column] = sum;
}

@compute @workgroup_size(64)
fn reduce_weight(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= params.width) { return; }
  var sum = vec4f();
  for (var c = 0u; c < (params.rows + CHUNK - 1u) / CHUNK; c++) {
    sum += partial[c * params.width + column];
  }
  dw[column] += sum;
}
