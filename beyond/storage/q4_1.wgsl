// A matrix of GGML's Q4_1: blocks of 32 four-bit q under two float16, element = d q + m. 20 bytes for 32
// elements, five words, as GGML has them: (d, m), and then 16 bytes whose low halves are elements 0 to 15
// and whose high halves are 16 to 31. f32.wgsl says what each function is for.

@group(0) @binding(2) var<storage, read> w: array<u32>;

const SCALED: u32 = 8u;

fn weight_row(r: u32, k4: u32) -> u32 { return r * (k4 / 8u * 5u); }

fn weight_scale(start: u32, k: u32, k4: u32) -> vec2f { return unpack2x16float(w[start + k / 8u * 5u]); }

fn weight(start: u32, k: u32, scale: vec2f) -> vec4f {
  let word = w[start + k / 8u * 5u + 1u + k % 4u] >> (k & 4u);
  let q = (vec4u(word) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(15u);
  return scale.x * vec4f(q) + scale.y;
}
