// Arithmetic every shader may count on, prepended to the shaders that use it.
//
// WGSL's own log may err by 2^-21 near 1, and does worse on some software adapters; a confident
// token's log-probability lives just there. This is Cephes' logf: within 1 ulp over all positive
// normal numbers.
fn ln(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  var exponent = f32(i32(bits >> 23u) - 126);
  var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f000000u); // in [0.5, 1)
  if (m < 0.70710678) {
    exponent -= 1.0;
    m += m;
  }
  m -= 1.0;
  var p = 7.0376836292e-2;
  p = p * m - 1.1514610310e-1;
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

// True for NaN and both infinities. By bits: comparisons with NaN are not IEEE in WGSL.
fn is_not_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}
