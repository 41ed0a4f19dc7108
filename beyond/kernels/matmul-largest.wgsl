// The largest magnitude in dy[T, N], which matmul-matrix-backward.wgsl needs to round dy to f16:
//
//   reduce   partial[p] = max |dy| over the vectors of dy that workgroup p of PARTS takes
//
// A product takes the maximum of the PARTS maxima when it starts, so that no value need be cleared or changed in
// turn, and the order does not matter. Called by beyond/kernels/chosen-linear.ts, once for both products of a layer's
// backward pass. Magnitudes are bits, as f16-range.wgsl has them.

// include "f16-range.wgsl"

struct Params {
  rows: u32,              // T
  outputs: u32,           // N
  y_stride: u32,          // elements between the rows of dy
  y_column: u32,          // its first column
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;             // [T, y_stride]
@group(0) @binding(2) var<storage, read_write> partial: array<u32>;    // [PARTS]

const PARTS: u32 = 256u;
const GROUP: u32 = 256u;
const AHEAD: u32 = 4u;    // vectors in flight: 4 MiB in all, and a GPU's memory wants about 2

var<workgroup> largest: array<u32, GROUP>;

// Of vector v of dy, or of the last one.
fn magnitude(v: u32) -> u32 {
  let width = (params.outputs + 3u) / 4u;
  let there = min(v, params.rows * width - 1u);
  let row = there / width;
  let at = there % width;
  let value = dy[(row * params.y_stride + params.y_column) / 4u + at];
  return largest_bits(select(vec4f(), value, 4u * at + vec4u(0u, 1u, 2u, 3u) < vec4u(params.outputs)));
}

@compute @workgroup_size(GROUP)
fn reduce(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let vectors = params.rows * ((params.outputs + 3u) / 4u);
  var found = 0u;
  for (var v = group.x * GROUP + index; v < vectors; v += AHEAD * PARTS * GROUP) {
    // unroll
    for (var i = 0u; i < AHEAD; i++) { found = max(found, magnitude(v + i * PARTS * GROUP)); }
  }
  largest[index] = found;
  for (var half = GROUP / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (index < half) { largest[index] = max(largest[index], largest[index + half]); }
  }
  if (index == 0u) { partial[group.x] = largest[0]; }
}
