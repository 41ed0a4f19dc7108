// A matrix of float16, two to a word, row by row: 2 bytes an element. Read with unpack2x16float, which
// every adapter has: the feature shader-f16 is not needed. f32.wgsl says what each function is for.

@group(0) @binding(2) var<storage, read> w: array<vec2u>;

const SCALED: u32 = 1u;

fn weight_row(r: u32, k4: u32) -> u32 { return r * k4; }

fn weight_scale(start: u32, k: u32, k4: u32) -> vec2f { return vec2f(); }

fn weight(start: u32, k: u32, scale: vec2f) -> vec4f {
  let halves = w[start + k];
  return vec4f(unpack2x16float(halves.x), unpack2x16float(halves.y));
}
