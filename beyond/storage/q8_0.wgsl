// A matrix of GGML's Q8_0: blocks of 32 signed bytes q under one float16 d, element = d q. 34 bytes for 32
// elements. A row is all its bytes q, four to a word, and then all its d, two to a word (GGML has each d
// before its block, where words would straddle the blocks). f32.wgsl says what each function is for.

@group(0) @binding(2) var<storage, read> w: array<u32>;

const SCALED: u32 = 8u;

fn weight_row(r: u32, k4: u32) -> u32 { return r * (k4 + (k4 + 15u) / 16u); }

fn weight_scale(start: u32, k: u32, k4: u32) -> vec2f {
  let block = k / 8u;
  return unpack2x16float(w[start + k4 + block / 2u] >> (16u * (block % 2u)));
}

fn weight(start: u32, k: u32, scale: vec2f) -> vec4f {
  let bytes = bitcast<vec4i>(vec4u(w[start + k]) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u);
  return scale.x * vec4f(bytes);
}
