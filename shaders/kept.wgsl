// What an output of type Y, which is f32 or vec4f or the same in halves, keeps of a value.

// include "math.wgsl"

const IS_HALF: bool = all(Y(2048.5) == Y(2048.0));
fn kept(value: vec4f) -> vec4f {
  if (IS_HALF) { return through_f16(value); }
  return value;
}
