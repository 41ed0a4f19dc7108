// The ceiling of subgroup matrices, which products of f16 with sums in f32 are measured against.
//
//   multiply_add   eight independent chains sum = a b + sum of M x K and K x N matrices, ROUNDS long, in
//                  registers alone: 16 M N K ROUNDS floating-point operations a subgroup
//
// Every subgroup computes the same and writes where its like in other workgroups does. The factors come from a
// buffer, and each chain has another a, or a compiler would work results out by itself, or only one of them.
// Called by beyond/tuning/measure.ts. Needs chromium_experimental_subgroup_matrix.

enable f16;
enable subgroups;
enable subgroup_size_control;
enable chromium_experimental_subgroup_matrix;

@group(0) @binding(0) var<storage, read> source: array<f32>;          // 16 numbers
@group(0) @binding(1) var<storage, read_write> target_: array<f32>;   // [4 subgroups, 8, M, N]

// The adapter's matrices: left [M, K], right [K, N], result [M, N].
const M: u32 = 16u;
const N: u32 = 16u;
const K: u32 = 16u;
const ROUNDS: u32 = 256u;

alias Left = subgroup_matrix_left<f16, K, M>;
alias Right = subgroup_matrix_right<f16, N, K>;
alias Result = subgroup_matrix_result<f32, N, M>;

var<workgroup> left: array<f16, M * K + 8u>; // chain i has the matrix from element i on
var<workgroup> right: array<f16, K * N>;

@compute @workgroup_size(128) @subgroup_size(32)
fn multiply_add(@builtin(local_invocation_index) index: u32, @builtin(subgroup_id) subgroup: u32) {
  for (var i = index; i < M * K + 8u; i += 128u) { left[i] = f16(source[i % 16u]); }
  for (var i = index; i < K * N; i += 128u) { right[i] = f16(source[(i + i / N) % 16u]); }
  workgroupBarrier();
  var a: array<Left, 8>;
  // unroll
  for (var i = 0u; i < 8u; i++) { a[i] = subgroupMatrixLoad<Left, row_major>(&left, i, K); }
  let b = subgroupMatrixLoad<Right, row_major>(&right, 0u, N);
  var sums: array<Result, 8>;
  for (var round = 0u; round < ROUNDS; round++) {
    // unroll
    for (var i = 0u; i < 8u; i++) {
      sums[i] = subgroupMatrixMultiplyAccumulate(a[i], b, sums[i]);
    }
  }
  // unroll
  for (var i = 0u; i < 8u; i++) {
    let at = (subgroup * 8u + i) * M * N;
    subgroupMatrixStore<row_major>(&target_, at, sums[i], N);
  }
}
