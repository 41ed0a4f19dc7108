// Draws the next token of every row from softmax(logits / temperature), after top-k, top-p and min-p.
//
// The three filters are thresholds on x = logits / temperature, in the order transformers applies
// them: the k-th largest x; the largest x whose upper set holds a share top_p of what top-k left; the
// largest x plus log(min_p). Ties with a threshold stay. Thresholds are found by bisection over the
// 32 bits of an order-preserving integer image of x, so nothing is sorted.
//
// The draw is a race, argmax over v of p_v / E_v with E_v exponential: Gumbel-max without its double
// logarithm. E_v = -log((r + 1/2) / 2^23) comes from Threefry-2x32-20 (Salmon et al. 2011) keyed by
// (seed, step, slot), then by (sample, position), then counting pairs of v, of which each takes a word:
// a completion depends on those alone and never on the batch it sits in.
//
// `forward` also moves the row on: its span gains the key of the token just drawn and its position
// the next one. A row is read in vectors of four, so `stride` is a multiple of 4; what its last vector
// holds past the vocabulary may be anything. Called by lib/model/ops/sample.ts.

// include "row.wgsl"
// include "math.wgsl"

struct Params {
  rows: u32,
  vocabulary: u32,
  stride: u32,                 // elements between the rows of logits
  top_k: u32,                  // 0: off
  top_p: f32,                  // 1: off
  log_min_p: f32,              // log(min_p), very low when off
  inverse_temperature: f32,
  greedy: u32,                 // 1: take the largest logit
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<vec4f>;            // [rows, stride]
@group(0) @binding(2) var<storage, read_write> draws: array<vec4u>;       // [rows] (key, key, sample, position)
@group(0) @binding(3) var<storage, read_write> spans: array<vec4u>;       // [rows]
@group(0) @binding(4) var<storage, read_write> token: array<u32>;         // [rows]

const LOWEST: f32 = -3.4e38;

const ROTATIONS = array(vec4u(13u, 15u, 26u, 6u), vec4u(17u, 29u, 16u, 24u));

// Both words of each of two counters: (first.x, second.x) and (first.y, second.y).
fn threefry(key: vec2u, first: vec2u, second: vec2u) -> vec4u {
  let ks = array(key.x, key.y, key.x ^ key.y ^ 0x1bd11bdau);
  var x = first + key.x;
  var y = second + key.y;
  // unroll
  for (var block = 0u; block < 5u; block++) {
    // unroll
    for (var i = 0u; i < 4u; i++) {
      x += y;
      y = ((y << vec2u(ROTATIONS[block % 2u][i])) | (y >> vec2u(32u - ROTATIONS[block % 2u][i]))) ^ x;
    }
    x += ks[(block + 1u) % 3u];
    y += ks[(block + 2u) % 3u] + block + 1u;
  }
  return vec4u(x.x, y.x, x.y, y.y);
}

// Integers in the order of the floats they stand for, and back.
fn ordered(x: vec4f) -> vec4u {
  let bits = bitcast<vec4u>(x);
  return select(bits | vec4u(0x80000000u), ~bits, (bits & vec4u(0x80000000u)) != vec4u());
}
fn unordered(o: u32) -> f32 {
  return bitcast<f32>(select(~o, o & 0x7fffffffu, (o & 0x80000000u) != 0u));
}

fn vectors() -> u32 { return (params.vocabulary + 3u) / 4u; }

// x of vocabulary entries 4i to 4i + 3, and past the last one the least there is.
fn scaled(start: u32, i: u32) -> vec4f {
  let x = logits[start + i] * params.inverse_temperature;
  if (4u * i + 4u <= params.vocabulary) { return x; }
  return select(vec4f(LOWEST), x, 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(params.vocabulary));
}

// The largest x such that at least k logits are x or more.
fn top_k_threshold(start: u32, local: vec3u) -> f32 {
  var threshold = 0u;
  for (var bit = 31u; bit < 32u; bit--) {
    let candidate = threshold | (1u << bit);
    var counts = vec4f();
    for (var i = local.x; i < vectors(); i += LANES) {
      counts += select(vec4f(), vec4f(1.0), ordered(scaled(start, i)) >= vec4u(candidate));
    }
    if (u32(row_sum(dot(counts, vec4f(1.0)), local)) >= params.top_k) { threshold = candidate; }
  }
  return unordered(threshold);
}

fn mass_from(start: u32, least: u32, largest: f32, local: vec3u) -> f32 {
  var mass = vec4f();
  for (var i = local.x; i < vectors(); i += LANES) {
    let x = scaled(start, i);
    mass += select(vec4f(), exp(x - largest), ordered(x) >= vec4u(least));
  }
  return row_sum(dot(mass, vec4f(1.0)), local);
}

// The largest x such that the logits of x or more hold a share top_p of the mass above `floor`.
fn top_p_threshold(start: u32, floor: f32, largest: f32, local: vec3u) -> f32 {
  let wanted = params.top_p * mass_from(start, ordered(vec4f(floor)).x, largest, local);
  var threshold = 0u;
  for (var bit = 31u; bit < 32u; bit--) {
    let candidate = threshold | (1u << bit);
    if (mass_from(start, candidate, largest, local) >= wanted) { threshold = candidate; }
  }
  // A share of nothing is reached by every candidate: the likeliest token stays.
  return max(floor, unordered(min(threshold, ordered(vec4f(largest)).x)));
}

@compute @workgroup_size(LANES, ROWS)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = (group.x + group.y * groups.x) * ROWS + local.y;
  let safe_row = min(row, params.rows - 1u);
  let start = safe_row * params.stride / 4u;
  var most = vec4f(LOWEST);
  for (var i = local.x; i < vectors(); i += LANES) { most = max(most, scaled(start, i)); }
  let largest = row_max(max(max(most.x, most.y), max(most.z, most.w)), local);

  var threshold = LOWEST;
  if (params.top_k > 0u && params.top_k < params.vocabulary) { threshold = top_k_threshold(start, local); }
  if (params.top_p < 1.0) { threshold = top_p_threshold(start, threshold, largest, local); }
  threshold = max(threshold, largest + params.log_min_p);
  // E is between 6e-8 and 16.7, so that nothing this far below the likeliest can beat it.
  threshold = max(threshold, largest - 19.5);

  let draw = draws[safe_row];
  let key = threefry(draw.xy, draw.zz, draw.ww).xy;
  var best = LOWEST;
  var winner = 0u;
  for (var i = local.x; i < vectors(); i += LANES) {
    let x = scaled(start, i);
    let stays = x >= vec4f(threshold);
    if (!any(stays)) { continue; }
    var score = x; // not its exponential, in which close neighbours become equal
    if (params.greedy == 0u) {
      let words = threefry(key, 2u * i + vec2u(0u, 1u), vec2u());
      let u = (vec4f(words >> vec4u(9u)) + 0.5) / 8388608.0;
      score = exp(x - largest) / -ln4(u);
    }
    // unroll
    for (var k = 0u; k < 4u; k++) {
      if (stays[k] && score[k] > best) {
        best = score[k];
        winner = 4u * i + k;
      }
    }
  }
  // The lowest index among the lanes that reached the row's best score.
  let row_best = row_max(best, local);
  let candidate = select(LOWEST, -f32(winner), best == row_best);
  let chosen = u32(-row_max(candidate, local));
  if (row >= params.rows || local.x > 0u) { return; }
  token[row] = chosen;
  draws[row].w += 1u;
  spans[row].w += 1u;
}
