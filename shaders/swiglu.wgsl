// SwiGLU, or GeGLU (Shazeer 2020): a = act(g) * u, act(g) = g * s, s = sigmoid(f(g)), with f by math.wgsl.
//
//   forward    a[T, F] from gate_up[T, 2F], the gate in the first half of each row
//   backward   dg = da * u * s * (1 + g * f'(g) * (1 - s)),  du = da * act(g)
//
// Called by lib/model/ops/swiglu.ts. F is a multiple of 4. Where no backward pass will read gate_up,
// matmul's forward_swiglu makes a without it, with the same bits.

// include "math.wgsl"

// What activations are stored as: vec4h in runs that say so. Arithmetic and gradients are f32.
alias Stored = vec4f;

struct Params {
  rows: u32,       // T
  width: u32,      // F / 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gate_up: array<Stored>;            // [T, 2F]
@group(0) @binding(2) var<storage, read_write> a: array<Stored>;            // [T, F]
@group(0) @binding(3) var<storage, read> da: array<vec4f>;                  // [T, F]
@group(0) @binding(4) var<storage, read_write> d_gate_up: array<vec4f>;     // [T, 2F]

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.rows * params.width) { return; }
  let at = index / params.width * 2u * params.width + index % params.width;
  let g = vec4f(gate_up[at]);
  a[index] = Stored(activation(g) * vec4f(gate_up[at + params.width]));
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.rows * params.width) { return; }
  let at = index / params.width * 2u * params.width + index % params.width;
  let g = vec4f(gate_up[at]);
  let u = vec4f(gate_up[at + params.width]);
  let s = gate_of(g);
  d_gate_up[at] = da[index] * u * s * (1.0 + gate_turn(g) * (1.0 - s));
  d_gate_up[at + params.width] = da[index] * g * s;
}
