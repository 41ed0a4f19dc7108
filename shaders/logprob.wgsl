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
// importance ratio is 1. Called by lib/model/ops/logprob.ts. Needs row.wgsl and math.wgsl.

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
@group(0) @binding(1) var<storage, read_write> logits: array<f32>;       // [M, stride]
@group(0) @binding(2) var<storage, read> target_token: array<u32>;       // [M]
@group(0) @binding(3) var<storage, read_write> state: array<vec4f>;      // [M] (m, z, e, l[target])
@group(0) @binding(4) var<storage, read_write> logprob: array<f32>;      // [M]
@group(0) @binding(5) var<storage, read_write> entropy: array<f32>;      // [M]
@group(0) @binding(6) var<storage, read> d_logprob: array<f32>;          // [M]

const LOWEST: f32 = -3.4e38;

@compute @workgroup_size(LANES, ROWS)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = (group.x + group.y * groups.x) * ROWS + local.y;
  let safe_row = min(row, params.rows - 1u);
  let start = safe_row * params.stride + params.offset;
  var before = vec4f(LOWEST, 0.0, 0.0, 0.0);
  if (params.is_first == 0u) { before = state[safe_row]; }
  var largest = before.x;
  for (var i = local.x; i < params.columns; i += LANES) {
    largest = max(largest, logits[start + i] * params.inverse_temperature);
  }
  largest = row_max(largest, local);
  var z = 0.0;
  var e = 0.0;
  for (var i = local.x; i < params.columns; i += LANES) {
    let below = logits[start + i] * params.inverse_temperature - largest;
    let p = exp(below);
    z += p;
    e += below * p;
  }
  z = row_sum(z, local);
  e = row_sum(e, local);
  if (row >= params.rows || local.x > 0u) { return; }
  if (params.is_first == 0u) {
    let shift = before.x - largest;
    let shrink = exp(shift);
    z += before.y * shrink;
    e += (before.z + shift * before.y) * shrink;
  }
  var chosen = before.w;
  let column = target_token[row] - params.first_column;
  if (column < params.columns) { chosen = logits[start + column] * params.inverse_temperature; }
  state[row] = vec4f(largest, z, e, chosen);
  if (params.is_last == 1u) {
    let log_z = ln(z);
    logprob[row] = chosen - largest - log_z;
    entropy[row] = log_z - e / z;
  }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let flat = id.x + id.y * groups.x * 64u;
  if (flat >= params.rows * params.columns) { return; }
  let row = flat / params.columns;
  let column = flat % params.columns;
  let at = row * params.stride + params.offset + column;
  let p = exp(logits[at] * params.inverse_temperature - state[row].x) / state[row].y;
  let hit = select(0.0, 1.0, target_token[row] == params.first_column + column);
  logits[at] = d_logprob[row] * (hit - p) * params.inverse_temperature;
}
