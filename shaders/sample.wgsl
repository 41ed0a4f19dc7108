// Draws the next token of every row from softmax(logits / temperature), after top-k, top-p and min-p.
//
// The three filters are thresholds on x = logits / temperature, in the order transformers applies
// them: the k-th largest x; the largest x whose upper set holds a share top_p of what top-k left; the
// largest x plus log(min_p). Ties with a threshold stay. Thresholds are found by bisection over the
// 32 bits of an order-preserving integer image of x, so nothing is sorted.
//
// The draw is a race, argmax over v of p_v / E_v with E_v exponential: Gumbel-max without its double
// logarithm. E_v = -log((r + 1/2) / 2^23) comes from Threefry-2x32-20 (Salmon et al. 2011) keyed by
// (seed, step, slot), then by (sample, position), then by v: a completion depends on those alone and
// never on the batch it sits in.
//
// `forward` also moves the row on: its span gains the key of the token just drawn and its position
// the next one. Called by lib/model/ops/sample.ts. Needs row.wgsl and math.wgsl.

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
@group(0) @binding(1) var<storage, read> logits: array<f32>;              // [rows, stride]
@group(0) @binding(2) var<storage, read_write> draws: array<vec4u>;       // [rows] (key, key, sample, position)
@group(0) @binding(3) var<storage, read_write> spans: array<vec4u>;       // [rows]
@group(0) @binding(4) var<storage, read_write> token: array<u32>;         // [rows]

const LOWEST: f32 = -3.4e38;

fn threefry(key: vec2u, counter: vec2u) -> vec2u {
  let ks = array(key.x, key.y, key.x ^ key.y ^ 0x1bd11bdau);
  var x = counter + key;
  for (var block = 0u; block < 5u; block++) {
    let r = select(vec4u(17u, 29u, 16u, 24u), vec4u(13u, 15u, 26u, 6u), (block & 1u) == 0u);
    for (var i = 0u; i < 4u; i++) {
      x.x += x.y;
      x.y = ((x.y << r[i]) | (x.y >> (32u - r[i]))) ^ x.x;
    }
    x += vec2u(ks[(block + 1u) % 3u], ks[(block + 2u) % 3u] + block + 1u);
  }
  return x;
}

// Integers in the order of the floats they stand for, and back.
fn ordered(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}
fn unordered(o: u32) -> f32 {
  return bitcast<f32>(select(~o, o & 0x7fffffffu, (o & 0x80000000u) != 0u));
}

fn scaled(start: u32, v: u32) -> f32 { return logits[start + v] * params.inverse_temperature; }

// The largest x such that at least k logits are x or more.
fn top_k_threshold(start: u32, local: vec3u) -> f32 {
  var threshold = 0u;
  for (var bit = 31u; bit < 32u; bit--) {
    let candidate = threshold | (1u << bit);
    var count = 0.0;
    for (var v = local.x; v < params.vocabulary; v += LANES) {
      if (ordered(scaled(start, v)) >= candidate) { count += 1.0; }
    }
    if (u32(row_sum(count, local)) >= params.top_k) { threshold = candidate; }
  }
  return unordered(threshold);
}

fn mass_from(start: u32, least: u32, largest: f32, local: vec3u) -> f32 {
  var mass = 0.0;
  for (var v = local.x; v < params.vocabulary; v += LANES) {
    let x = scaled(start, v);
    if (ordered(x) >= least) { mass += exp(x - largest); }
  }
  return row_sum(mass, local);
}

// The largest x such that the logits of x or more hold a share top_p of the mass above `floor`.
fn top_p_threshold(start: u32, floor: f32, largest: f32, local: vec3u) -> f32 {
  let wanted = params.top_p * mass_from(start, ordered(floor), largest, local);
  var threshold = 0u;
  for (var bit = 31u; bit < 32u; bit--) {
    let candidate = threshold | (1u << bit);
    if (mass_from(start, candidate, largest, local) >= wanted) { threshold = candidate; }
  }
  // A share of nothing is reached by every candidate: the likeliest token stays.
  return max(floor, unordered(min(threshold, ordered(largest))));
}

@compute @workgroup_size(LANES, ROWS)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = (group.x + group.y * groups.x) * ROWS + local.y;
  let safe_row = min(row, params.rows - 1u);
  let start = safe_row * params.stride;
  var largest = LOWEST;
  for (var v = local.x; v < params.vocabulary; v += LANES) { largest = max(largest, scaled(start, v)); }
  largest = row_max(largest, local);

  var threshold = LOWEST;
  if (params.top_k > 0u && params.top_k < params.vocabulary) { threshold = top_k_threshold(start, local); }
  if (params.top_p < 1.0) { threshold = top_p_threshold(start, threshold, largest, local); }
  threshold = max(threshold, largest + params.log_min_p);

  let draw = draws[safe_row];
  let key = threefry(draw.xy, draw.zw);
  var best = LOWEST;
  var winner = 0u;
  for (var v = local.x; v < params.vocabulary; v += LANES) {
    let x = scaled(start, v);
    if (x < threshold) { continue; }
    var score = x; // not its exponential, in which close neighbours become equal
    if (params.greedy == 0u) {
      let u = (f32(threefry(key, vec2u(v, 0u)).x >> 9u) + 0.5) / 8388608.0;
      score = exp(x - largest) / -ln(u);
    }
    if (score > best) {
      best = score;
      winner = v;
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
