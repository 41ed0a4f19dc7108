// A matrix of float16 as f16.wgsl has it, for shaders that compute with f16: its elements are not converted.
// f32.wgsl says what each function is for.

@group(0) @binding(2) var<storage, read> w: array<vec4h>;

const SCALED: u32 = 1u;

fn weight_row(r: u32, k4: u32) -> u32 { return r * k4; }

fn weight_scale(start: u32, k: u32, k4: u32) -> vec2f { return vec2f(); }

fn weight(start: u32, k: u32, scale: vec2f) -> vec4h { return w[start + k]; }
