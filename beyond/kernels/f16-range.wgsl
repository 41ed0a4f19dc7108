// How numbers in f32 become factors in f16, whose range is short: times a power of two, which takes no bit away, and
// back by its inverse, which is as exact. Included by attention-matrix-backward.wgsl, matmul-matrix-backward.wgsl
// and matmul-largest.wgsl.
//
// A number under 2^15 keeps its 11 bits in f16 from 2^-14 on, and below errs by up to 2^-25: if the largest of many
// is brought between 2^14 and 2^15, all keep 11 bits down to 2^-28 of it, and none errs by more than 2^-39 of it, less
// than a sum in f32 loses. Sizes are compared as bits: infinity and NaN, of which comparisons of f32 know nothing
// certain, come after all numbers.

struct Power {
  into: f32,    // 2^exponent
  back: f32,    // 2^-exponent; not finite if the largest number is not
}

fn power_of_two(exponent: i32) -> f32 { return bitcast<f32>(u32(exponent + 127) << 23u); }

// The exponent of the number with these bits: it is in [2^exponent, 2^(exponent + 1)).
fn exponent_of(bits: u32) -> i32 { return i32(bits >> 23u) - 127; }

// For numbers the largest of which has these bits. Both powers are normal: exponents end at 126.
fn power_for(largest: u32, exponent: i32) -> Power {
  let within = clamp(exponent, -126, 126);
  let back = select(largest, bitcast<u32>(power_of_two(-within)), largest < 0x7f800000u);
  return Power(power_of_two(within), bitcast<f32>(back));
}

// The bits of the largest component's size: of a NaN, or else infinity, if there is one.
fn largest_bits(x: vec4f) -> u32 {
  let bits = bitcast<vec4u>(x) & vec4u(0x7fffffffu);
  return max(max(bits.x, bits.y), max(bits.z, bits.w));
}
