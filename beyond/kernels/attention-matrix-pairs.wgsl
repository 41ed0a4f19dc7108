// How attention-matrix-backward.wgsl multiplies, by subgroup matrices: a workgroup owns TILE rows of two tensors, a
// pair, and walks those of two others BLOCK at a time, all of them in workgroup memory in f16. Included by that file;
// the host, beyond/kernels/attention-matrix.ts, chooses the sizes:
//
//   multiply    products[i] = own[i] walked[i]^T, for both of the pair
//   add_block   sums[i] += weights[i] walked[i], for one or both
//
// No lane can name an element of a matrix, so that products and weights pass through workgroup memory, and the sums
// when all rows are walked.

enable f16;
enable subgroups;
enable subgroup_size_control;
enable chromium_experimental_subgroup_matrix;

// The adapter's matrices: left [M, K], right [K, N], result [M, N].
const M: u32 = 16u;
const N: u32 = 16u;
const K: u32 = 16u;

const BLOCK: u32 = 64u;                  // rows that are walked at a time
const PRODUCT_MATRICES: u32 = 2u;        // of the two products of a block, and
const SUM_MATRICES: u32 = 1u;            // of two outputs, that a subgroup makes: rounded up
const TILE: u32 = 16u;                   // rows owned
const MOST_TOKENS: u32 = TILE;           // see attention-queries.wgsl
const SUBGROUP: u32 = 32u;               // lanes
const SUBGROUPS: u32 = 4u;
const THREADS: u32 = SUBGROUP * SUBGROUPS;
const SHARES: u32 = THREADS / TILE;      // invocations that share a row of products
const OF_PRODUCT: u32 = TILE / M * (BLOCK / N);      // matrices of one product, and
const OF_SUM: u32 = TILE / M * (HEAD_DIM / N);       // of one output
// Rows that are read at once lie in different banks: 16 bytes more than they need be.
const STRIDE: u32 = D4 + 2u;             // vectors of f16
const WEIGHTS: u32 = BLOCK / 4u + 2u;
const PRODUCTS: u32 = BLOCK + 4u;        // numbers in f32
const SUMS: u32 = HEAD_DIM + 4u;

var<workgroup> own: array<vec4h, 2u * TILE * STRIDE>;
var<workgroup> walked: array<vec4h, 2u * BLOCK * STRIDE>;
var<workgroup> weights: array<vec4h, 2u * TILE * WEIGHTS>;   // [2][TILE][BLOCK]
// [2][TILE][BLOCK]; then one output's sums, [TILE][D]
var<workgroup> products: array<f32, max(2u * TILE * PRODUCTS, TILE * SUMS)>;

alias Left = subgroup_matrix_left<f16, K, M>;
alias Right = subgroup_matrix_right<f16, N, K>;
alias Result = subgroup_matrix_result<f32, N, M>;
alias Sums = array<Result, SUM_MATRICES>;

// Both products of the owned rows and a block, left in `products`.
fn multiply(subgroup: u32) {
  for (var i = 0u; i < PRODUCT_MATRICES; i++) {
    let matrix = subgroup + i * SUBGROUPS;
    if (matrix < 2u * OF_PRODUCT) {
      let product = matrix / OF_PRODUCT;
      let row = matrix % OF_PRODUCT / (BLOCK / N) * M;
      let column = matrix % (BLOCK / N) * N;
      var sum = Result();
      for (var d = 0u; d < D4; d += K / 4u) {
        let l = subgroupMatrixLoad<Left, row_major>(&own, (product * TILE + row) * STRIDE + d, STRIDE);
        let r = subgroupMatrixLoad<Right, col_major>(&walked, (product * BLOCK + column) * STRIDE + d, STRIDE);
        sum = subgroupMatrixMultiplyAccumulate(l, r, sum);
      }
      subgroupMatrixStore<row_major>(&products, (product * TILE + row) * PRODUCTS + column, sum, PRODUCTS);
    }
  }
}

// Adds the block, each row times its weights, to the sums of the first `outputs` outputs.
fn add_block(sums: ptr<function, Sums>, outputs: u32, subgroup: u32) {
  // unroll
  for (var i = 0u; i < SUM_MATRICES; i++) {
    let matrix = subgroup + i * SUBGROUPS;
    if (matrix < outputs * OF_SUM) {
      let output = matrix / OF_SUM;
      let row = matrix % OF_SUM / (HEAD_DIM / N) * M;
      let vector = matrix % (HEAD_DIM / N) * (N / 4u);
      for (var n = 0u; n < BLOCK; n += K) {
        let l = subgroupMatrixLoad<Left, row_major>(&weights, (output * TILE + row) * WEIGHTS + n / 4u, WEIGHTS);
        let r = subgroupMatrixLoad<Right, row_major>(&walked, (output * BLOCK + n) * STRIDE + vector, STRIDE);
        (*sums)[i] = subgroupMatrixMultiplyAccumulate(l, r, (*sums)[i]);
      }
    }
  }
}

// Leaves the sums of an output in `products`, [TILE][D].
fn put_sums(sums: ptr<function, Sums>, output: u32, subgroup: u32) {
  workgroupBarrier();
  // unroll
  for (var i = 0u; i < SUM_MATRICES; i++) {
    let matrix = subgroup + i * SUBGROUPS;
    if (matrix / OF_SUM == output) {
      let row = matrix % OF_SUM / (HEAD_DIM / N) * M;
      let column = matrix % (HEAD_DIM / N) * N;
      subgroupMatrixStore<row_major>(&products, row * SUMS + column, (*sums)[i], SUMS);
    }
  }
  workgroupBarrier();
}

// Vector i of these.
fn sum_vector(i: u32) -> vec4f {
  let at = i / D4 * SUMS + 4u * (i % D4);
  return vec4f(products[at], products[at + 1u], products[at + 2u], products[at + 3u]);
}
