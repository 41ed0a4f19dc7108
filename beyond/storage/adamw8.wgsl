// AdamW whose moments take a byte each (Dettmers et al. 2021, "8-bit Optimizers via Block-wise
// Quantization", arXiv 2110.02861). Of every block of 256 elements, scales has the largest |m| and the
// largest sqrt(v); a byte says which share of that an element is:
//
//   m = scale_m * signed(code),   sqrt(v) = scale_v * unsigned(code)
//
// Both maps are the paper's dynamic tree of seven decades: from 10^-k to 10^(1-k) the steps are even,
// and half as many as in the decade above, which has 64 of each sign in the signed map and 128 in the
// unsigned one. The signed map has +1 where -0 would be, and no -1.
//
// It is sqrt(v) that is kept, as the update divides by it: v itself would span twice as many decades
// and lose its small values, and then a division by nearly 0 throws a parameter off. And sqrt(v) is
// rounded up or down at random, in proportion: with beta2 = 0.999 a step changes v by less than half
// of what the map resolves, so that rounding to nearest would never move it. The random number is a
// hash of the element and of `key`, which the host draws for each step.
//
// `update_8bit` is adamw.wgsl's `update` otherwise, moments being exact until they are put away.
// Called by beyond/storage/adamw8.ts. Appended to adamw.wgsl.

@group(0) @binding(8) var<storage, read_write> m8: array<u32>;         // codes of m, four a word
@group(0) @binding(9) var<storage, read_write> v8: array<u32>;         // codes of sqrt(v), likewise
@group(0) @binding(10) var<storage, read_write> scales: array<vec2f>;   // of m and of sqrt(v), a block each

const BLOCK_WORDS: u32 = 64u;

// Places on a map with 2^top levels: in the decade [2^e, 2^(e+1)) of places lie the values from
// 10^(e-top) to 10^(e+1-top). The first decade's neighbour below is 0, the place 2^top is 1.
const SIGNED_TOP: u32 = 7u;
const UNSIGNED_TOP: u32 = 8u;

// 10^-k for k in 0..6
fn decade(k: u32) -> f32 {
  return select(1.0, 1e-1, (k & 1u) != 0u) * select(1.0, 1e-2, (k & 2u) != 0u) *
    select(1.0, 1e-4, (k & 4u) != 0u);
}

fn level(place: u32, top: u32) -> f32 {
  if (place < (1u << (top - 7u))) { return 0.0; }
  let e = firstLeadingBit(place);
  if (e == top) { return 1.0; }
  let fraction = (f32(place) + 0.5) / f32(1u << e) - 1.0;
  return decade(top - 1u - e) * (0.1 + 0.9 * fraction);
}

// The place of a level next to x in [0, 1]: the upper one if x is more than `threshold` of the way.
fn place_of(x: f32, top: u32, threshold: f32) -> u32 {
  if (x > 0.999999) { return 1u << top; }
  var k = select(0u, 1u, x < 1e-1) + select(0u, 1u, x < 1e-2) + select(0u, 1u, x < 1e-3);
  k += select(0u, 1u, x < 1e-4) + select(0u, 1u, x < 1e-5) + select(0u, 1u, x < 1e-6);
  let share = x / decade(k) / 0.9 - 0.1 / 0.9;
  var lower = u32((1.0 + share) * f32(1u << (top - 1u - k)) - 0.5);
  // rounding may have led one too far
  if (x < level(lower, top)) { lower -= 1u; } else if (x >= level(lower + 1u, top)) { lower += 1u; }
  let from_lower = x - level(lower, top);
  let gap = level(lower + 1u, top) - level(lower, top);
  return select(lower, lower + 1u, from_lower > threshold * gap);
}

fn decode_signed(code: u32) -> f32 {
  if (code <= 128u) { return level(code, SIGNED_TOP); }
  return -level(code - 128u, SIGNED_TOP);
}

fn encode_signed(x: f32) -> u32 {
  let place = place_of(abs(x), SIGNED_TOP, 0.5);
  if (x >= 0.0 || place == 0u) { return place; }
  return 128u + min(place, 127u);
}

fn decode_unsigned(code: u32) -> f32 { return level(code + 1u, UNSIGNED_TOP); }

fn encode_unsigned(x: f32, threshold: f32) -> u32 {
  return place_of(x, UNSIGNED_TOP, threshold) - 1u;
}

// Uniform in [0, 1): MurmurHash3's finaliser of the element's number and the key.
fn uniform_of(i: u32) -> f32 {
  var h = (i * 0x9e3779b9u) ^ params.key;
  h = (h ^ (h >> 16u)) * 0x85ebca6bu;
  h = (h ^ (h >> 13u)) * 0xc2b2ae35u;
  return f32((h ^ (h >> 16u)) >> 8u) * 0x1p-24;
}

// (m, sqrt(v)) of an element after this step, from its clipped gradient and its codes.
fn stepped(g: f32, m_code: u32, v_code: u32, scale: vec2f) -> vec2f {
  let root = scale.y * decode_unsigned(v_code);
  let first = params.beta1 * scale.x * decode_signed(m_code) + params.rest1 * g;
  return vec2f(first, sqrt(params.beta2 * root * root + params.rest2 * g * g));
}

fn share_of(value: f32, largest: f32) -> f32 {
  if (largest == 0.0) { return 0.0; }
  return value / largest;
}

@compute @workgroup_size(LANES, ROWS)
fn update_8bit(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let blocks = (params.count + BLOCK_WORDS * 4u - 1u) / (BLOCK_WORDS * 4u);
  let block = (group.x + group.y * groups.x) * ROWS + local.y;
  // Blocks past the end work on the last one and write nothing, so that barriers stay uniform.
  let start = min(block, blocks - 1u) * BLOCK_WORDS;
  let end = min(start + BLOCK_WORDS, (params.count + 3u) / 4u);
  let before = scales[start / BLOCK_WORDS];
  var largest = vec2f(0.0);
  for (var word = start + local.x; word < end; word += LANES) {
    let g = clipped(dw[word]);
    for (var k = 0u; k < 4u && word * 4u + k < params.count; k++) {
      let codes = (vec2u(m8[word], v8[word]) >> vec2u(8u * k)) & vec2u(255u);
      largest = max(largest, abs(stepped(g[k], codes.x, codes.y, before)));
    }
  }
  let after = vec2f(row_max(largest.x, local), row_max(largest.y, local));
  if (block >= blocks || summary.nonfinite == 1u) { return; }
  for (var word = start + local.x; word < end; word += LANES) {
    let g = clipped(dw[word]);
    var firsts = vec4f();
    var roots = vec4f();
    var packed = vec2u(0u);
    for (var k = 0u; k < 4u && word * 4u + k < params.count; k++) {
      let i = word * 4u + k;
      let codes = (vec2u(m8[word], v8[word]) >> vec2u(8u * k)) & vec2u(255u);
      let moments = stepped(g[k], codes.x, codes.y, before);
      firsts[k] = moments.x;
      roots[k] = moments.y;
      let m_code = encode_signed(share_of(moments.x, after.x));
      let v_code = encode_unsigned(share_of(moments.y, after.y), uniform_of(i));
      packed |= vec2u(m_code, v_code) << vec2u(8u * k);
    }
    w[word] = within(word, moved(w[word], firsts, roots), w[word]);
    m8[word] = packed.x;
    v8[word] = packed.y;
  }
  if (local.x == 0u) { scales[block] = after; }
}
