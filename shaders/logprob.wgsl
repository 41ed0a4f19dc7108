// Log-probability of a target token and entropy of the whole distribution, over blocks of the
// vocabulary, so that [T, vocabulary] never exists. With l = logits / temperature:
//
//   forward    keeps per row the running max m, z = sum exp(l - m), e = sum (l - m) exp(l - m) and the
//              target's l; after the last block
//              logprob = l[target] - m - log z,   entropy = log z - e / z
//   backward   turns a block of logits, in place, into their gradient
//              dlogits[v] = dlogprob * (1[v = target] - exp(l[v] - m - log z)) / temperature
//
// Sampling and learning both take their log-probabilities from here, which is why the first
// importance ratio is 1. A row is read in vectors of four, so `stride`, `offset` and `first_column` are
// multiples of 4; what a row's last vector holds past its end may be anything.
// Called by lib/model/ops/logprob.ts.

// include "row.wgsl"
// include "math.wgsl"

struct Params {
  rows: u32,               // M
  columns: u32,            // vocabulary entries in this block
  stride: u32,             // elements between the rows of logits
  offset: u32,             // column of logits that the block begins in
  first_column: u32,       // vocabulary index of the block's first column
  is_first: u32,
  is_last: u32,
  inverse_temperature: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> logits: array<vec4f>;     // [M, stride]
@group(0) @binding(2) var<storage, read> target_token: array<u32>;       // [M]
@group(0) @binding(3) var<storage, read_write> state: array<vec4f>;      // [M] (m, z, e, l[target])
@group(0) @binding(4) var<storage, read_write> logprob: array<f32>;      // [M]
@group(0) @binding(5) var<storage, read_write> entropy: array<f32>;      // [M]
@group(0) @binding(6) var<storage, read> d_logprob: array<f32>;          // [M]

const LOWEST: f32 = -3.4e38;

// Vector i of a row, its logits divided by the temperature, and beyond the last one the least there is.
fn scaled(start: u32, i: u32) -> vec4f {
  let l = logits[start + i] * params.inverse_temperature;
  if (4u * i + 4u <= params.columns) { return l; }
  return select(vec4f(LOWEST), l, 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(params.columns));
}

@compute @workgroup_size(LANES, ROWS)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = (group.x + group.y * groups.x) * ROWS + local.y;
  let safe_row = min(row, params.rows - 1u);
  let start = (safe_row * params.stride + params.offset) / 4u;
  let width = (params.columns + 3u) / 4u;
  var before = vec4f(LOWEST, 0.0, 0.0, 0.0);
  if (params.is_first == 0u) { before = state[safe_row]; }
  var most = vec4f(before.x);
  for (var i = local.x; i < width; i += LANES) { most = max(most, scaled(start, i)); }
  let largest = row_max(max(max(most.x, most.y), max(most.z, most.w)), local);
  var zs = vec4f();
  var es = vec4f();
  for (var i = local.x; i < width; i += LANES) {
    let below = scaled(start, i) - largest;
    let p = exp(below);
    zs += p;
    es += below * p;
  }
  var z = row_sum((zs.x + zs.y) + (zs.z + zs.w), local);
  var e = row_sum((es.x + es.y) + (es.z + es.w), local);
  if (row >= params.rows || local.x > 0u) { return; }
  if (params.is_first == 0u) {
    let shift = before.x - largest;
    let shrink = exp(shift);
    z += before.y * shrink;
    e += (before.z + shift * before.y) * shrink;
  }
  var chosen = before.w;
  let column = target_token[row] - params.first_column;
  if (column < params.columns) { chosen = scaled(start, column / 4u)[column % 4u]; }
  state[row] = vec4f(largest, z, e, chosen);
  if (params.is_last == 1u) {
    // e is NaN if any logit was NaN or infinite, of which a maximum or ln may show nothing
    let log_z = select(ln(z), e, is_not_finite(e));
    logprob[row] = chosen - largest - log_z;
    entropy[row] = log_z - e / z;
  }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let flat = id.x + id.y * groups.x * 64u;
  let width = (params.columns + 3u) / 4u;
  if (flat >= params.rows * width) { return; }
  let row = flat / width;
  let i = flat % width;
  let at = (row * params.stride + params.offset) / 4u + i;
  let p = exp(logits[at] * params.inverse_temperature - state[row].x) / state[row].y;
  let columns = params.first_column + 4u * i + vec4u(0u, 1u, 2u, 3u);
  let hit = select(vec4f(), vec4f(1.0), columns == vec4u(target_token[row]));
  logits[at] = d_logprob[row] * (hit - p) * params.inverse_temperature;
}
