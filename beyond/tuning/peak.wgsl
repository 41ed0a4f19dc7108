// The adapter's ceilings, which every rate is measured against.
//
//   multiply_add   eight independent chains a = a x + y, each 4 ROUNDS long, in registers alone:
//                  64 ROUNDS floating-point operations an invocation, what a matmul would reach if
//                  its loads cost nothing
//   copy           target_[i] = source[i]: 32 bytes moved for each vec4f
//
// x and y come from a buffer, or a compiler would work the result out by itself.
// Called by beyond/tuning/measure.ts.

struct Params {
  count: u32,   // invocations; vec4f to copy
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> target_: array<vec4f>;

const ROUNDS: u32 = 256u;

@compute @workgroup_size(64)
fn multiply_add(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  let x = source[0].x;
  let y = source[0].y;
  var a = source[1].x; var b = source[1].y; var c = source[1].z; var d = source[1].w;
  var e = source[2].x; var f = source[2].y; var g = source[2].z; var h = source[2].w;
  for (var round = 0u; round < ROUNDS; round++) {
    // unroll
    for (var step = 0u; step < 4u; step++) {
      a = a * x + y; b = b * x + y; c = c * x + y; d = d * x + y;
      e = e * x + y; f = f * x + y; g = g * x + y; h = h * x + y;
    }
  }
  target_[i] = vec4f(a + b, c + d, e + f, g + h);
}

@compute @workgroup_size(64)
fn copy(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i < params.count) { target_[i] = source[i]; }
}
