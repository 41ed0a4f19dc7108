// Arithmetic every shader may count on.
//
// WGSL's own log may err by 2^-21 near 1, and does worse on some software adapters; a confident
// token's log-probability lives just there. This is Cephes' logf: within 1 ulp over all positive
// normal numbers.
fn ln4(x: vec4f) -> vec4f {
  let bits = bitcast<vec4u>(x);
  var m = bitcast<vec4f>((bits & vec4u(0x007fffffu)) | vec4u(0x3f000000u)); // in [0.5, 1)
  let is_low = m < vec4f(0.70710678);
  let exponent = vec4f(vec4i(bits >> vec4u(23u)) - 126) - select(vec4f(), vec4f(1.0), is_low);
  m = m + select(vec4f(), m, is_low) - 1.0;
  var p = m * 7.0376836292e-2 - 1.1514610310e-1;
  p = p * m + 1.1676998740e-1;
  p = p * m - 1.2420140846e-1;
  p = p * m + 1.4249322787e-1;
  p = p * m - 1.6668057665e-1;
  p = p * m + 2.0000714765e-1;
  p = p * m - 2.4999993993e-1;
  p = p * m + 3.3333331174e-1;
  let z = m * m;
  return (m + (m * z * p - 2.12194440e-4 * exponent - 0.5 * z)) + 0.693359375 * exponent;
}

fn ln(x: f32) -> f32 { return ln4(vec4f(x)).x; }

// True for NaN and both infinities. By bits: comparisons with NaN are not IEEE in WGSL.
fn is_not_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

// Clamped, because infinity is not something a WGSL compiler must respect.
fn sigmoid(x: vec4f) -> vec4f { return 1.0 / (1.0 + exp(min(-x, vec4f(80.0)))); }

// The activation of the MLP's gate, x sigmoid(f(x)). silu has f(x) = x, and gelu as its tanh approximates it
// f(x) = 2 sqrt(2 / pi) (x + 0.044715 x^3), since (1 + tanh(y)) / 2 = sigmoid(2 y); beyond 100 it is 0 or 1 anyway.
const GELU: u32 = 0u;
fn gate_of(x: vec4f) -> vec4f {
  if (GELU == 0u) { return sigmoid(x); }
  let near = clamp(x, vec4f(-100.0), vec4f(100.0));
  return sigmoid(1.5957691216 * near * (1.0 + 0.044715 * near * near));
}
fn activation(x: vec4f) -> vec4f { return x * gate_of(x); }
// x f'(x)
fn gate_turn(x: vec4f) -> vec4f {
  if (GELU == 0u) { return x; }
  let near = clamp(x, vec4f(-100.0), vec4f(100.0));
  return 1.5957691216 * near * (1.0 + 0.134145 * near * near);
}

// What f16 keeps of a number in its range: the nearest, of two the even one. A compiler may take f32(f16(x)) for x,
// and some do; this they cannot.
fn through_f16(x: vec4f) -> vec4f {
  let bits = bitcast<vec4u>(x);
  let rounded = (bits + 0xfffu + ((bits >> vec4u(13u)) & vec4u(1u))) & vec4u(0xffffe000u);
  let small = round(x * 0x1p24) * 0x1p-24; // below 2^-14, multiples of 2^-24
  return select(bitcast<vec4f>(rounded), small, abs(x) < vec4f(0x1p-14));
}
