// AdamW (Loshchilov and Hutter 2019) over a range of parameters, torch.optim.AdamW's arithmetic, with
// the global gradient-norm clip of torch.nn.utils.clip_grad_norm_ folded in:
//
//   g = dw * min(1, max_norm / (norm + 1e-6))
//   w = w * (1 - lr * weight_decay)
//   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
//   w = w - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
//
// `square` sums chunks of dw^2, `total` the chunks; `update` applies the above. A NaN or infinity
// anywhere in dw sets summary.nonfinite, and then `update` leaves every parameter as it was. All are read in
// vectors of four; what the last one holds past the end counts for nothing, and stays.
// Called by lib/model/ops/adamw.ts.

// include "row.wgsl"
// include "math.wgsl"

struct Params {
  count: u32,            // elements in this range
  chunk_offset: u32,     // where this range's partial sums begin
  chunks: u32,           // partial sums in all
  max_norm: f32,         // 0: no clipping
  decay: f32,            // 1 - lr * weight_decay
  beta1: f32,
  beta2: f32,
  rest1: f32,            // 1 - beta1 and
  rest2: f32,            // 1 - beta2, which f32 would get wrong by 1e-5 for 0.999
  step_size: f32,        // lr / (1 - beta1^t)
  root_correction: f32,  // sqrt(1 - beta2^t)
  epsilon: f32,
  key: u32,              // of random numbers, where an update rounds by them
}

struct Summary {
  norm: f32,
  nonfinite: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> dw: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> partial: array<vec2f>;      // (sum of squares, 1 if nonfinite)
@group(0) @binding(6) var<storage, read_write> summary: Summary;

const CHUNK: u32 = 1024u;

// Of vector i those elements of `value` that are there, and in the place of the others those of `other`.
fn within(i: u32, value: vec4f, other: vec4f) -> vec4f {
  return select(other, value, 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(params.count));
}

@compute @workgroup_size(LANES, ROWS)
fn square(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let chunk = (group.x + group.y * groups.x) * ROWS + local.y;
  var sum = 0.0;
  var bad = 0.0;
  let end = (min((chunk + 1u) * CHUNK, params.count) + 3u) / 4u;
  for (var i = chunk * CHUNK / 4u + local.x; i < end; i += LANES) {
    let g = within(i, dw[i], vec4f());
    // unroll
    for (var k = 0u; k < 4u; k++) {
      sum += g[k] * g[k];
      bad += select(0.0, 1.0, is_not_finite(g[k]));
    }
  }
  sum = row_sum(sum, local);
  bad = row_sum(bad, local);
  if (chunk >= (params.count + CHUNK - 1u) / CHUNK || local.x > 0u) { return; }
  partial[params.chunk_offset + chunk] = vec2f(sum, select(0.0, 1.0, bad > 0.0 || is_not_finite(sum)));
}

@compute @workgroup_size(LANES, ROWS)
fn total(@builtin(local_invocation_id) local: vec3u) {
  var sums = vec2f();
  for (var i = local.x; i < params.chunks; i += LANES) { sums += partial[i]; }
  let sum = row_sum(sums.x, local);
  let bad = row_sum(sums.y, local);
  if (local.x > 0u || local.y > 0u) { return; }
  summary.norm = sqrt(sum);
  summary.nonfinite = select(0u, 1u, bad > 0.0 || is_not_finite(sum));
}

fn clipped(g: vec4f) -> vec4f {
  if (params.max_norm == 0.0) { return g; }
  return g * min(1.0, params.max_norm / (summary.norm + 1e-6));
}

// Parameters after the step, from their first moments and the roots of their second.
fn moved(parameter: vec4f, first: vec4f, root: vec4f) -> vec4f {
  return parameter * params.decay - params.step_size * first / (root / params.root_correction + params.epsilon);
}

fn advance(i: u32) {
  let g = clipped(dw[i]);
  let first = params.beta1 * m[i] + params.rest1 * g;
  let second = params.beta2 * v[i] + params.rest2 * g * g;
  m[i] = within(i, first, m[i]);
  v[i] = within(i, second, v[i]);
  w[i] = within(i, moved(w[i], first, sqrt(second)), w[i]);
}

@compute @workgroup_size(64)
fn update(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (4u * i < params.count && summary.nonfinite == 0u) { advance(i); }
}
