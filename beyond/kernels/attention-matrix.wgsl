// The forward pass of attention.wgsl (read that one and attention-tiled.wgsl first: the same formulas, tensors
// and spans) by subgroup matrices, which are tensor cores on NVIDIA's GPUs, for q, k and v in f16:
//
//   forward          o[t, h] = softmax(q[t, h] . k / sqrt(D)) v  over the keys that t sees, and its lse
//   forward_chunk    the same of one chunk of keys, for attention.wgsl's forward_merge
//
// Called by beyond/kernels/attention-matrix.ts where beyond/kernels/variants.ts or tuning says "matrix". Needs
// chromium_experimental_subgroup_matrix.
//
// A workgroup owns TILE queries (token, head) that share a key-value head, and goes through their keys by
// chunks: all scores of a chunk first, PIECE keys staged at a time; then the weights exp(score - largest),
// rounded to f16; then their products with the values, which need no rescaling within a chunk. Matrices have no
// elements that a lane could name, so that scores and sums pass through workgroup memory. In counts, for heads
// of 64; no time of this file has been taken on a GPU:
//
//   matrices          one instruction of a subgroup multiplies M x N x K: 4,096 multiply-adds on NVIDIA's GPUs,
//                     where a lane's fma makes 32 of them a subgroup.
//   workgroup memory  a multiply-add loads 2 / TILE = 1/8 byte from buffers, as attention-tiled.wgsl does in f32
//                     with twice the queries. 25 KiB: the scores of a chunk are 8 of them, and their weights 4.
//   chunks            each chunk costs the softmax one pass over its scores, and the sums one exchange of 4 KiB;
//                     a block of attention-tiled.wgsl rescales its sums every 16 keys.
//
// Order: as in attention-tiled.wgsl, a query's keys are counted from the first it sees, and chunks are merged
// in order. Within a chunk the matrices are added by steps of K, and the weights of a row in eight sums. A query
// has the same bits whatever its tile, the rows in flight, and where its keys lie.

enable f16;
enable subgroups;
enable subgroup_size_control;
enable chromium_experimental_subgroup_matrix;

// include "math.wgsl"
// include "attention-queries.wgsl"

// The adapter's matrices: left [M, K], right [K, N], result [M, N].
const M: u32 = 16u;
const N: u32 = 16u;
const K: u32 = 16u;

const MOST_TOKENS: u32 = 16u;            // see attention-queries.wgsl: 1 in decoding
const PIECE: u32 = 64u;                  // keys that are staged at a time
const SCORE_MATRICES: u32 = 1u;          // of a piece, and
const VALUE_MATRICES: u32 = 1u;          // of the values, that a subgroup makes: rounded up
const VECTORS: u32 = 1u;                 // of the tile's outputs that an invocation merges, rounded up
const TILE: u32 = 16u;
const SUBGROUP: u32 = 32u;               // lanes
const SUBGROUPS: u32 = 4u;
const THREADS: u32 = SUBGROUP * SUBGROUPS;
const SHARES: u32 = THREADS / TILE;      // invocations that share a row of scores
// Rows that are read at once lie in different banks: 16 bytes more than they need be.
const STRIDE: u32 = D4 + 2u;             // vectors of f16
const WEIGHTS: u32 = CHUNK / 4u + 2u;
const SCORES: u32 = CHUNK + 4u;          // numbers in f32

var<workgroup> queries: array<vec4h, TILE * STRIDE>;
var<workgroup> piece: array<vec4h, PIECE * STRIDE>;      // of keys, then of values
var<workgroup> scores: array<f32, TILE * SCORES>;        // [TILE][CHUNK]; then the chunk's sums, [TILE][D]
var<workgroup> weights: array<vec4h, TILE * WEIGHTS>;    // [TILE][CHUNK]
var<workgroup> largest_of: array<f32, TILE * SHARES>;
var<workgroup> total_of: array<f32, TILE * SHARES>;

alias Left = subgroup_matrix_left<f16, K, M>;
alias Right = subgroup_matrix_right<f16, N, K>;
alias Result = subgroup_matrix_result<f32, N, M>;

fn stage_queries(at: Queries, index: u32) {
  for (var i = index; i < TILE * D4; i += THREADS) {
    let row = query_row(at, i / D4);
    var vector = vec4h();
    if (row != NOWHERE) { vector = vec4h(q[row * D4 + i % D4]); }
    queries[i / D4 * STRIDE + i % D4] = vector;
  }
}

fn stage_keys(run: Run, first: u32, kv_head: u32, index: u32) {
  for (var i = index; i < PIECE * D4; i += THREADS) {
    var vector = vec4h();
    let key = first + i / D4;
    if (key < run.seen) { vector = vec4h(k[(key_row(run.span, key) * params.kv_heads + kv_head) * D4 + i % D4]); }
    piece[i / D4 * STRIDE + i % D4] = vector;
  }
}

fn stage_values(run: Run, first: u32, kv_head: u32, index: u32) {
  for (var i = index; i < PIECE * D4; i += THREADS) {
    var vector = vec4h();
    let key = first + i / D4;
    if (key < run.seen) { vector = vec4h(v[(key_row(run.span, key) * params.kv_heads + kv_head) * D4 + i % D4]); }
    piece[i / D4 * STRIDE + i % D4] = vector;
  }
}

// The scores of a piece, from `column` of the chunk on; not yet scaled.
fn multiply_keys(column: u32, subgroup: u32) {
  for (var i = 0u; i < SCORE_MATRICES; i++) {
    let matrix = subgroup + i * SUBGROUPS;
    if (matrix < TILE / M * (PIECE / N)) {
      let row = matrix / (PIECE / N) * M;
      let key = matrix % (PIECE / N) * N;
      var sum = Result();
      for (var d = 0u; d < D4; d += K / 4u) {
        let l = subgroupMatrixLoad<Left, row_major>(&queries, row * STRIDE + d, STRIDE);
        let r = subgroupMatrixLoad<Right, col_major>(&piece, key * STRIDE + d, STRIDE);
        sum = subgroupMatrixMultiplyAccumulate(l, r, sum);
      }
      subgroupMatrixStore<row_major>(&scores, row * SCORES + column + key, sum, SCORES);
    }
  }
}

// From the scores of the chunk that begins with key `start` to its weights, largest scores and totals.
// Invocation `index` has vectors of a row: share, share + SHARES, ... of keys.
fn weigh(start: u32, sees: u32, index: u32) {
  let scale = inverseSqrt(f32(HEAD_DIM));
  let row = index / SHARES;
  let share = index % SHARES;
  var largest = LOWEST;
  for (var i = share; i < CHUNK / 4u; i += SHARES) {
    for (var j = 4u * i; j < 4u * i + 4u; j++) {
      if (start + j < sees) { largest = max(largest, scores[row * SCORES + j] * scale); }
    }
  }
  largest_of[index] = largest;
  workgroupBarrier();
  for (var i = 0u; i < SHARES; i++) { largest = max(largest, largest_of[row * SHARES + i]); }
  var total = 0.0;
  for (var i = share; i < CHUNK / 4u; i += SHARES) {
    var p = vec4f();
    for (var j = 0u; j < 4u; j++) {
      if (start + 4u * i + j < sees) { p[j] = exp(scores[row * SCORES + 4u * i + j] * scale - largest); }
      total += p[j];
    }
    weights[row * WEIGHTS + i] = vec4h(p);
  }
  total_of[index] = total;
  workgroupBarrier();
}

// Adds the chunk [start, end) of a run's keys: leaves its sums in `scores`, and what `row_softmax` reads.
fn add_chunk(run: Run, start: u32, end: u32, sees: u32, kv_head: u32, subgroup: u32, index: u32) {
  for (var first = start; first < end; first += PIECE) {
    stage_keys(run, first, kv_head, index);
    workgroupBarrier();
    multiply_keys(first - start, subgroup);
    workgroupBarrier();
  }
  weigh(start, sees, index);
  var sums: array<Result, VALUE_MATRICES>;
  for (var first = start; first < end; first += PIECE) {
    stage_values(run, first, kv_head, index);
    workgroupBarrier();
    // unroll
    for (var i = 0u; i < VALUE_MATRICES; i++) {
      let matrix = subgroup + i * SUBGROUPS;
      if (matrix < TILE / M * (HEAD_DIM / N)) {
        let row = matrix / (HEAD_DIM / N) * M;
        let vector = matrix % (HEAD_DIM / N) * (N / 4u);
        for (var key = 0u; key < PIECE; key += K) {
          let l = subgroupMatrixLoad<Left, row_major>(&weights, row * WEIGHTS + (first - start + key) / 4u, WEIGHTS);
          let r = subgroupMatrixLoad<Right, row_major>(&piece, key * STRIDE + vector, STRIDE);
          sums[i] = subgroupMatrixMultiplyAccumulate(l, r, sums[i]);
        }
      }
    }
    workgroupBarrier();
  }
  // unroll
  for (var i = 0u; i < VALUE_MATRICES; i++) {
    let matrix = subgroup + i * SUBGROUPS;
    if (matrix < TILE / M * (HEAD_DIM / N)) {
      let row = matrix / (HEAD_DIM / N) * M;
      let column = matrix % (HEAD_DIM / N) * N;
      subgroupMatrixStore<row_major>(&scores, row * SCORES + column, sums[i], SCORES);
    }
  }
  workgroupBarrier();
}

// Largest score and total of a row over the chunk.
fn row_softmax(row: u32) -> vec2f {
  var running = vec2f(LOWEST, 0.0);
  for (var i = row * SHARES; i < (row + 1u) * SHARES; i++) {
    running.x = max(running.x, largest_of[i]);
    running.y += total_of[i];
  }
  return running;
}

// Vector i of the chunk's sums, [TILE][D4].
fn chunk_vector(i: u32) -> vec4f {
  let at = i / D4 * SCORES + 4u * (i % D4);
  return vec4f(scores[at], scores[at + 1u], scores[at + 2u], scores[at + 3u]);
}

@compute @workgroup_size(THREADS) @subgroup_size(SUBGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) index: u32, @builtin(subgroup_id) subgroup: u32,
) {
  let at = queries_of(group, groups);
  stage_queries(at, index);
  var running: array<vec2f, VECTORS>;
  var values: array<vec4f, VECTORS>;
  // unroll
  for (var i = 0u; i < VECTORS; i++) { running[i].x = LOWEST; }
  var first = at.first;
  while (first < at.end) {
    let run = run_from(first, at.end);
    let sees = row_sees(at, index / SHARES, first, run.end);
    for (var start = 0u; start < run.seen; start += CHUNK) {
      add_chunk(run, start, min(start + CHUNK, run.seen), sees, at.kv_head, subgroup, index);
      // unroll
      for (var i = 0u; i < VECTORS; i++) {
        let vector = index + i * THREADS;
        if (vector < TILE * D4) {
          let chunk = row_softmax(vector / D4);
          let raised = max(running[i].x, chunk.x);
          let before = exp(running[i].x - raised);
          let now = exp(chunk.x - raised);
          running[i] = vec2f(raised, fma(running[i].y, before, chunk.y * now));
          values[i] = fma(values[i], vec4f(before), chunk_vector(vector) * now);
        }
      }
      workgroupBarrier();
    }
    first = run.end;
  }
  // unroll
  for (var i = 0u; i < VECTORS; i++) {
    let vector = index + i * THREADS;
    let row = query_row(at, vector / D4);
    if (vector < TILE * D4 && row != NOWHERE) {
      o[row * D4 + vector % D4] = Stored(values[i] / running[i].y);
      if (vector % D4 == 0u) { lse[row] = running[i].x + ln(running[i].y); }
    }
  }
}

// group.z is the chunk.
@compute @workgroup_size(THREADS) @subgroup_size(SUBGROUP)
fn forward_chunk(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) index: u32, @builtin(subgroup_id) subgroup: u32,
) {
  let at = queries_of(group, groups);
  let start = group.z * CHUNK;
  stage_queries(at, index);
  var first = at.first;
  while (first < at.end) {
    let run = run_from(first, at.end);
    if (start < run.seen) {
      let sees = row_sees(at, index / SHARES, first, run.end);
      add_chunk(run, start, min(start + CHUNK, run.seen), sees, at.kv_head, subgroup, index);
      for (var i = index; i < TILE * D4; i += THREADS) {
        let row = query_row(at, i / D4);
        if (row != NOWHERE && start < row_sees(at, i / D4, first, run.end)) {
          let place = (row * params.chunks + group.z) * (D4 + 1u);
          partials[place + i % D4] = chunk_vector(i);
          if (i % D4 == 0u) { partials[place + D4] = vec4f(row_softmax(i / D4), 0.0, 0.0); }
        }
      }
      workgroupBarrier();
    }
    first = run.end;
  }
}
