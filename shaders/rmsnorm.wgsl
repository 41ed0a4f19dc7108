// RMSNorm (Zhang and Sennrich 2019), with r = 1 / sqrt(mean(x^2) + epsilon) per row:
//
//   forward          y[T, D] = x * r * w                     and saves r[T] as inverse_rms
//   backward_input   dx[T, D] += r * (dy * w - x * r^2 * mean(dy * w * x))
//   backward_weight  partial[C, D] = sum over the rows of chunk c of dy * x * r
//   reduce_weight    dw[D] += sum over c of partial[c]
//
// backward_input adds, because x also feeds the residual stream whose gradient dx already holds.
// Called by `Ops.rmsnorm*` in lib/model/ops.ts. Needs row.wgsl.

struct Params {
  rows: u32,       // T
  columns: u32,    // D
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;                       // [T, D]
@group(0) @binding(2) var<storage, read> w: array<f32>;                       // [D]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;                 // [T, D]
@group(0) @binding(4) var<storage, read_write> inverse_rms: array<f32>;       // [T]
@group(0) @binding(5) var<storage, read> dy: array<f32>;                      // [T, D]
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;                // [T, D]
@group(0) @binding(7) var<storage, read_write> partial: array<f32>;           // [C, D]
@group(0) @binding(8) var<storage, read_write> dw: array<f32>;                // [D]

const CHUNK: u32 = 128u;

@compute @workgroup_size(LANES, ROWS)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = (group.x + group.y * groups.x) * ROWS + local.y;
  // Rows past the end work on the last one and write nothing, so that barriers stay uniform.
  let start = min(row, params.rows - 1u) * params.columns;
  var squares = 0.0;
  for (var i = local.x; i < params.columns; i += LANES) { squares += x[start + i] * x[start + i]; }
  let r = inverseSqrt(row_sum(squares, local) / f32(params.columns) + params.epsilon);
  if (row >= params.rows) { return; }
  for (var i = local.x; i < params.columns; i += LANES) { y[start + i] = x[start + i] * r * w[i]; }
  if (local.x == 0u) { inverse_rms[row] = r; }
}

@compute @workgroup_size(LANES, ROWS)
fn backward_input(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = (group.x + group.y * groups.x) * ROWS + local.y;
  let safe_row = min(row, params.rows - 1u);
  let start = safe_row * params.columns;
  var products = 0.0;
  for (var i = local.x; i < params.columns; i += LANES) {
    products += dy[start + i] * w[i] * x[start + i];
  }
  let mean = row_sum(products, local) / f32(params.columns);
  if (row >= params.rows) { return; }
  let r = inverse_rms[safe_row];
  let shrink = r * r * mean;
  for (var i = local.x; i < params.columns; i += LANES) {
    dx[start + i] += r * (dy[start + i] * w[i] - x[start + i] * shrink);
  }
}

@compute @workgroup_size(64)
fn backward_weight(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= params.columns) { return; }
  let first = id.y * CHUNK;
  var sum = 0.0;
  for (var t = first; t < min(first + CHUNK, params.rows); t++) {
    let at = t * params.columns + column;
    sum += dy[at] * x[at] * inverse_rms[t];
  }
  partial[id.y * params.columns + column] = sum;
}

@compute @workgroup_size(64)
fn reduce_weight(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= params.columns) { return; }
  var sum = 0.0;
  for (var c = 0u; c < (params.rows + CHUNK - 1u) / CHUNK; c++) {
    sum += partial[c * params.columns + column];
  }
  dw[column] += sum;
}
