// A matrix of float32, row by row: 4 bytes an element.
//
// What every file of this folder has, for the shaders that read a matrix (matmul, gather):
//
//   weight_row(r, k4)              where row r begins, k4 being a quarter of the columns
//   weight_scale(start, k, k4)     what the SCALED vectors around vector k have in common
//   weight(start, k, scale)        elements 4 k to 4 k + 3 of that row
//
// Those of other formats are included in place of this one: lib/model/ops/kernels.ts.

@group(0) @binding(2) var<storage, read> w: array<vec4f>;

const SCALED: u32 = 1u;

fn weight_row(r: u32, k4: u32) -> u32 { return r * k4; }

fn weight_scale(start: u32, k: u32, k4: u32) -> vec2f { return vec2f(); }

fn weight(start: u32, k: u32, scale: vec2f) -> vec4f { return w[start + k]; }
