// Reductions over the rows of a matrix.
//
// A workgroup holds ROWS rows of LANES invocations each (local id y and x). Every lane brings its
// partial result and every lane gets the row's. The tree's shape depends on LANES alone, which the
// host chooses by adapter, never on how many rows are in flight.
const LANES: u32 = 1u;
const ROWS: u32 = 64u;

var<workgroup> row_scratch: array<f32, LANES * ROWS>;

fn row_sum(value: f32, local: vec3u) -> f32 {
  if (LANES == 1u) { return value; }
  let slot = local.y * LANES + local.x;
  row_scratch[slot] = value;
  workgroupBarrier();
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    if (local.x < step) { row_scratch[slot] += row_scratch[slot + step]; }
    workgroupBarrier();
  }
  let sum = row_scratch[local.y * LANES];
  workgroupBarrier();
  return sum;
}

fn row_max(value: f32, local: vec3u) -> f32 {
  if (LANES == 1u) { return value; }
  let slot = local.y * LANES + local.x;
  row_scratch[slot] = value;
  workgroupBarrier();
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    if (local.x < step) { row_scratch[slot] = max(row_scratch[slot], row_scratch[slot + step]); }
    workgroupBarrier();
  }
  let largest = row_scratch[local.y * LANES];
  workgroupBarrier();
  return largest;
}
