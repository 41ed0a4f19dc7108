// The attention of attention.wgsl (read that one first: the same formulas, tensors and spans) for GPUs,
// where the invocations of a workgroup share what they load:
//
//   forward          o[t, h] = softmax(q[t, h] . k / sqrt(D)) v  over the keys that t sees, and its lse
//   forward_chunk    the same of one chunk of keys, for attention.wgsl's forward_merge
//   backward_query   ds = p * (do . v[s] - delta),  dq[t, h] = sum over s of ds k[s] / sqrt(D)
//   backward_key     dk[s] = sum over the queries that see s of ds q / sqrt(D),  dv[s] = sum of p do
//
// Called by lib/model/ops/attention-tiled.ts where lib/gpu/variants.ts says "tiled"; the sizes are chosen there.
//
// A workgroup owns TILE rows and walks the others BLOCK at a time, both in workgroup memory. Forward and
// backward_query own queries, (token, head) pairs that share a key-value head, and walk keys; backward_key
// owns keys and walks queries. In a block, invocation (x, y) first multiplies rows y, y + GROUP_Y, ... by
// walked rows x, x + GROUP_X, ...; the weights that come of it go through workgroup memory; then it adds
// vectors x, x + GROUP_X, ... of the walked rows, so weighted, to those of its own. What each idea buys, for
// heads of 64 in f32. These are counts; no time of this file has been taken on a GPU yet.
//
//   workgroup memory  a multiply-add loads 4 / TILE bytes from buffers forward, 1/8 byte (32 queries, 16 keys a
//                     block), 1/6 in backward_query and 1/8 in backward_key (16 rows), where attention.wgsl
//                     loads 4 in all three. At most 16 KiB of it is used, which every adapter has.
//   registers         of workgroup memory it reads 2.4 bytes forward, 3.5 backward_query, 4.3 backward_key; with
//                     one product an invocation, 8.
//   heads             the heads that share a key-value head share its loads: in decoding, where every token
//                     has keys of its own, a tile is one token's heads (TILE = 4, 8 or 16).
//   latency           forward loads the values while it multiplies the keys, and the next keys while it adds the
//                     values. Four barriers a block; the reuse of one buffer for keys and values needs two of
//                     them, so that maxima through subgroups would save none.
//
// Order: a query's keys are counted from the first it sees, its prefix before its own. Its softmax goes block
// by block, chunks of CHUNK keys begin anew and are merged in order, and every sum is one chain of fma. A query
// has the same bits whatever its tile, the rows in flight, and where its keys lie.

// What activations are stored as: vec4h in runs that say so. Arithmetic and gradients are f32.
alias Stored = vec4f;

struct Params {
  tokens: u32,     // T
  heads: u32,      // H
  kv_heads: u32,   // KV
  chunks: u32,     // places in `partials` for each query and head
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> spans: array<vec4u>;              // [T]
@group(0) @binding(2) var<storage, read> last_query: array<u32>;           // [T]
@group(0) @binding(3) var<storage, read> q: array<Stored>;                 // [T, H, D]
@group(0) @binding(4) var<storage, read> k: array<Stored>;                 // [rows, KV, D]
@group(0) @binding(5) var<storage, read> v: array<Stored>;                 // [rows, KV, D]
@group(0) @binding(6) var<storage, read_write> o: array<Stored>;           // [T, H, D]
@group(0) @binding(7) var<storage, read_write> lse: array<f32>;            // [T, H]
@group(0) @binding(8) var<storage, read> d_o: array<vec4f>;                // [T, H, D]
@group(0) @binding(9) var<storage, read> softmax: array<vec2f>;            // [T, H] (lse, delta)
@group(0) @binding(10) var<storage, read_write> dq: array<vec4f>;          // [T, H, D]
@group(0) @binding(11) var<storage, read_write> dk: array<vec4f>;          // [T, KV, D]
@group(0) @binding(12) var<storage, read_write> dv: array<vec4f>;          // [T, KV, D]
@group(0) @binding(13) var<storage, read_write> partials: array<vec4f>;    // [T, H, chunks, D + 4]

const HEAD_DIM: u32 = 16u;
const GROUP_X: u32 = 4u;             // invocations along the walked rows, and along the vectors of a head
const GROUP_Y: u32 = 16u;            // and along the owned rows
const ROWS: u32 = 2u;                // owned rows of an invocation, GROUP_Y apart
const COLUMNS: u32 = 4u;             // walked rows of an invocation, GROUP_X apart
const FETCHES: u32 = 1u;             // vectors of a block that an invocation loads, rounded up
const CHUNK: u32 = 128u;             // keys, a multiple of BLOCK
const D4: u32 = HEAD_DIM / 4u;
const VECTORS: u32 = D4 / GROUP_X;   // vectors of an invocation
const TILE: u32 = GROUP_Y * ROWS;
const BLOCK: u32 = GROUP_X * COLUMNS;
const GROUP: u32 = GROUP_X * GROUP_Y;
// Rows an odd number of vectors apart, and weights four more than rows: neighbours use other banks.
const STRIDE: u32 = D4 + 1u;
const WEIGHTS: u32 = TILE + 4u;
const LOWEST: f32 = -3.4e38;
const MOST_TOKENS: u32 = TILE;        // see attention-queries.wgsl

var<workgroup> own: array<Stored, TILE * STRIDE>;              // q, or k
var<workgroup> own_values: array<Stored, TILE * STRIDE>;       // v
var<workgroup> own_gradients: array<vec4f, TILE * STRIDE>;     // do
var<workgroup> walked: array<Stored, BLOCK * STRIDE>;          // k or v, or q
var<workgroup> walked_gradients: array<vec4f, BLOCK * STRIDE>; // do
var<workgroup> weights: array<f32, BLOCK * WEIGHTS>;           // [BLOCK][TILE]: p, or ds
var<workgroup> value_weights: array<f32, BLOCK * WEIGHTS>;     // p
var<workgroup> largest_of: array<f32, GROUP_X * TILE>;         // [GROUP_X][TILE]

alias Products = array<f32, ROWS * COLUMNS>;
alias Sums = array<vec4f, ROWS * VECTORS>;
alias Fetched = array<Stored, FETCHES>;

fn chain(a: vec4f, b: vec4f, sum: f32) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

// The vector of k and v where vector i of the block from key s on lies, or NOWHERE past the keys seen.
fn key_vector(run: Run, s: u32, i: u32, kv_head: u32) -> u32 {
  let key = s + i / D4;
  if (i >= BLOCK * D4 || key >= run.seen) { return NOWHERE; }
  return (key_row(run, key) * params.kv_heads + kv_head) * D4 + i % D4;
}

fn fetch_keys(run: Run, s: u32, kv_head: u32, index: u32) -> Fetched {
  var fetched: Fetched;
  // unroll
  for (var i = 0u; i < FETCHES; i++) {
    let start = key_vector(run, s, index + i * GROUP, kv_head);
    if (start != NOWHERE) { fetched[i] = k[start]; }
  }
  return fetched;
}

fn fetch_values(run: Run, s: u32, kv_head: u32, index: u32) -> Fetched {
  var fetched: Fetched;
  // unroll
  for (var i = 0u; i < FETCHES; i++) {
    let start = key_vector(run, s, index + i * GROUP, kv_head);
    if (start != NOWHERE) { fetched[i] = v[start]; }
  }
  return fetched;
}

// Puts what was fetched of a block where it is walked.
fn put(fetched: Fetched, index: u32) {
  // unroll
  for (var i = 0u; i < FETCHES; i++) {
    let to = index + i * GROUP;
    if (to < BLOCK * D4) { walked[to / D4 * STRIDE + to % D4] = fetched[i]; }
  }
}

// own . walked
fn products(lane: vec3u) -> Products {
  var sum: Products;
  for (var d = 0u; d < D4; d++) {
    var a: array<vec4f, ROWS>;
    // unroll
    for (var i = 0u; i < ROWS; i++) { a[i] = vec4f(own[(lane.y + i * GROUP_Y) * STRIDE + d]); }
    // unroll
    for (var j = 0u; j < COLUMNS; j++) {
      let b = vec4f(walked[(lane.x + j * GROUP_X) * STRIDE + d]);
      // unroll
      for (var i = 0u; i < ROWS; i++) { sum[i * COLUMNS + j] = chain(a[i], b, sum[i * COLUMNS + j]); }
    }
  }
  return sum;
}

// The softmax of the invocation's rows over some keys, not yet divided: sums of exp(score - largest).
struct Softmax {
  largest: array<f32, ROWS>,
  total: array<f32, ROWS>,
  values: Sums,
}

fn nothing_yet() -> Softmax {
  var none: Softmax;
  // unroll
  for (var i = 0u; i < ROWS; i++) { none.largest[i] = LOWEST; }
  return none;
}

// Adds the keys [from, to) of a run, block by block.
fn add_keys(
  state: ptr<function, Softmax>, run: Run, sees: ptr<function, array<u32, ROWS>>,
  start: u32, to: u32, kv_head: u32, lane: vec3u, index: u32,
) {
  let scale = inverseSqrt(f32(HEAD_DIM));
  var fetched = fetch_keys(run, start, kv_head, index);
  for (var s = start; s < to; s += BLOCK) {
    put(fetched, index);
    workgroupBarrier();
    fetched = fetch_values(run, s, kv_head, index);
    var score = products(lane);
    // unroll
    for (var i = 0u; i < ROWS; i++) {
      var largest = LOWEST;
      // unroll
      for (var j = 0u; j < COLUMNS; j++) {
        let is_seen = s + lane.x + j * GROUP_X < (*sees)[i];
        score[i * COLUMNS + j] = select(LOWEST, score[i * COLUMNS + j] * scale, is_seen);
        largest = max(largest, score[i * COLUMNS + j]);
      }
      largest_of[lane.x * TILE + lane.y + i * GROUP_Y] = largest;
    }
    workgroupBarrier();
    put(fetched, index);
    // unroll
    for (var i = 0u; i < ROWS; i++) {
      let row = lane.y + i * GROUP_Y;
      var raised = (*state).largest[i];
      for (var x = 0u; x < GROUP_X; x++) { raised = max(raised, largest_of[x * TILE + row]); }
      let shrink = exp((*state).largest[i] - raised);
      (*state).largest[i] = raised;
      (*state).total[i] *= shrink;
      // unroll
      for (var j = 0u; j < VECTORS; j++) { (*state).values[i * VECTORS + j] *= shrink; }
      // unroll
      for (var j = 0u; j < COLUMNS; j++) {
        let column = lane.x + j * GROUP_X;
        let p = select(0.0, exp(score[i * COLUMNS + j] - raised), s + column < (*sees)[i]);
        weights[column * WEIGHTS + row] = p;
      }
    }
    workgroupBarrier();
    fetched = fetch_keys(run, s + BLOCK, kv_head, index);
    for (var key = 0u; key < BLOCK; key++) {
      var p: array<f32, ROWS>;
      // unroll
      for (var i = 0u; i < ROWS; i++) {
        p[i] = weights[key * WEIGHTS + lane.y + i * GROUP_Y];
        (*state).total[i] += p[i];
      }
      // unroll
      for (var j = 0u; j < VECTORS; j++) {
        let value = vec4f(walked[key * STRIDE + lane.x + j * GROUP_X]);
        // unroll
        for (var i = 0u; i < ROWS; i++) {
          (*state).values[i * VECTORS + j] = fma(vec4f(p[i]), value, (*state).values[i * VECTORS + j]);
        }
      }
    }
    workgroupBarrier();
  }
}

// Joins the softmax over a chunk to that over the chunks before it.
fn merge(state: ptr<function, Softmax>, chunk: ptr<function, Softmax>) {
  // unroll
  for (var i = 0u; i < ROWS; i++) {
    let raised = max((*state).largest[i], (*chunk).largest[i]);
    let before = exp((*state).largest[i] - raised);
    let now = exp((*chunk).largest[i] - raised);
    (*state).largest[i] = raised;
    (*state).total[i] = fma((*state).total[i], before, (*chunk).total[i] * now);
    // unroll
    for (var j = 0u; j < VECTORS; j++) {
      let at = i * VECTORS + j;
      (*state).values[at] = fma((*state).values[at], vec4f(before), (*chunk).values[at] * now);
    }
  }
}

fn stage_queries(at: Queries, index: u32) {
  for (var i = index; i < TILE * D4; i += GROUP) {
    let row = query_row(at, i / D4);
    var vector = Stored();
    if (row != NOWHERE) { vector = q[row * D4 + i % D4]; }
    own[i / D4 * STRIDE + i % D4] = vector;
  }
}

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn forward(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) lane: vec3u, @builtin(local_invocation_index) index: u32,
) {
  let at = queries_of(group, groups);
  stage_queries(at, index);
  var state = nothing_yet();
  var first = at.first;
  while (first < at.end) {
    let run = run_from(first, at.end);
    var sees: array<u32, ROWS>;
    // unroll
    for (var i = 0u; i < ROWS; i++) { sees[i] = row_sees(at, lane.y + i * GROUP_Y, first, run.end); }
    for (var start = 0u; start < run.seen; start += CHUNK) {
      var chunk = nothing_yet();
      add_keys(&chunk, run, &sees, start, min(start + CHUNK, run.seen), at.kv_head, lane, index);
      merge(&state, &chunk);
    }
    first = run.end;
  }
  // unroll
  for (var i = 0u; i < ROWS; i++) {
    let row = query_row(at, lane.y + i * GROUP_Y);
    if (row != NOWHERE) {
      // unroll
      for (var j = 0u; j < VECTORS; j++) {
        o[row * D4 + lane.x + j * GROUP_X] = Stored(state.values[i * VECTORS + j] / state.total[i]);
      }
      if (lane.x == 0u) { lse[row] = state.largest[i] + ln(state.total[i]); }
    }
  }
}

// group.z is the chunk.
@compute @workgroup_size(GROUP_X, GROUP_Y)
fn forward_chunk(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) lane: vec3u, @builtin(local_invocation_index) index: u32,
) {
  let at = queries_of(group, groups);
  let start = group.z * CHUNK;
  stage_queries(at, index);
  var first = at.first;
  while (first < at.end) {
    let run = run_from(first, at.end);
    if (start < run.seen) {
      var sees: array<u32, ROWS>;
      // unroll
      for (var i = 0u; i < ROWS; i++) { sees[i] = row_sees(at, lane.y + i * GROUP_Y, first, run.end); }
      var chunk = nothing_yet();
      add_keys(&chunk, run, &sees, start, min(start + CHUNK, run.seen), at.kv_head, lane, index);
      // unroll
      for (var i = 0u; i < ROWS; i++) {
        let row = query_row(at, lane.y + i * GROUP_Y);
        if (row != NOWHERE && start < sees[i]) {
          let place = (row * params.chunks + group.z) * (D4 + 1u);
          // unroll
          for (var j = 0u; j < VECTORS; j++) {
            partials[place + lane.x + j * GROUP_X] = chunk.values[i * VECTORS + j];
          }
          if (lane.x == 0u) { partials[place + D4] = vec4f(chunk.largest[i], chunk.total[i], 0.0, 0.0); }
        }
      }
    }
    first = run.end;
  }
}

// Adds the walked rows, each times its weight, to sums of the invocation's own rows.
fn add_walked(sums: ptr<function, Sums>, lane: vec3u) {
  for (var n = 0u; n < BLOCK; n++) {
    // unroll
    for (var j = 0u; j < VECTORS; j++) {
      let vector = vec4f(walked[n * STRIDE + lane.x + j * GROUP_X]);
      // unroll
      for (var i = 0u; i < ROWS; i++) {
        let weight = weights[n * WEIGHTS + lane.y + i * GROUP_Y];
        (*sums)[i * VECTORS + j] = fma(vec4f(weight), vector, (*sums)[i * VECTORS + j]);
      }
    }
  }
}

// do . walked
fn gradient_products(lane: vec3u) -> Products {
  var sum: Products;
  for (var d = 0u; d < D4; d++) {
    var a: array<vec4f, ROWS>;
    // unroll
    for (var i = 0u; i < ROWS; i++) { a[i] = own_gradients[(lane.y + i * GROUP_Y) * STRIDE + d]; }
    // unroll
    for (var j = 0u; j < COLUMNS; j++) {
      let b = vec4f(walked[(lane.x + j * GROUP_X) * STRIDE + d]);
      // unroll
      for (var i = 0u; i < ROWS; i++) { sum[i * COLUMNS + j] = chain(a[i], b, sum[i * COLUMNS + j]); }
    }
  }
  return sum;
}

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn backward_query(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) lane: vec3u, @builtin(local_invocation_index) index: u32,
) {
  let at = queries_of(group, groups);
  let scale = inverseSqrt(f32(HEAD_DIM));
  for (var i = index; i < TILE * D4; i += GROUP) {
    let row = query_row(at, i / D4);
    let to = i / D4 * STRIDE + i % D4;
    var vector = Stored();
    var gradient = vec4f();
    if (row != NOWHERE) {
      vector = q[row * D4 + i % D4];
      gradient = d_o[row * D4 + i % D4];
    }
    own[to] = vector;
    own_gradients[to] = gradient;
  }
  var saved: array<vec2f, ROWS>;
  // unroll
  for (var i = 0u; i < ROWS; i++) {
    let row = query_row(at, lane.y + i * GROUP_Y);
    if (row != NOWHERE) { saved[i] = softmax[row]; }
  }
  var sums: Sums;
  var first = at.first;
  while (first < at.end) {
    let run = run_from(first, at.end);
    var sees: array<u32, ROWS>;
    // unroll
    for (var i = 0u; i < ROWS; i++) { sees[i] = row_sees(at, lane.y + i * GROUP_Y, first, run.end); }
    for (var s = 0u; s < run.seen; s += BLOCK) {
      // Values first: the keys are needed twice.
      put(fetch_values(run, s, at.kv_head, index), index);
      workgroupBarrier();
      let fetched = fetch_keys(run, s, at.kv_head, index);
      let dp = gradient_products(lane);
      workgroupBarrier();
      put(fetched, index);
      workgroupBarrier();
      let score = products(lane);
      // unroll
      for (var i = 0u; i < ROWS; i++) {
        // unroll
        for (var j = 0u; j < COLUMNS; j++) {
          let column = lane.x + j * GROUP_X;
          let p = exp(score[i * COLUMNS + j] * scale - saved[i].x);
          let ds = p * (dp[i * COLUMNS + j] - saved[i].y);
          weights[column * WEIGHTS + lane.y + i * GROUP_Y] = select(0.0, ds, s + column < sees[i]);
        }
      }
      workgroupBarrier();
      add_walked(&sums, lane);
      workgroupBarrier();
    }
    first = run.end;
  }
  // unroll
  for (var i = 0u; i < ROWS; i++) {
    let row = query_row(at, lane.y + i * GROUP_Y);
    if (row != NOWHERE) {
      // unroll
      for (var j = 0u; j < VECTORS; j++) {
        dq[row * D4 + lane.x + j * GROUP_X] = sums[i * VECTORS + j] * scale;
      }
    }
  }
}

// v . do
fn value_products(lane: vec3u) -> Products {
  var sum: Products;
  for (var d = 0u; d < D4; d++) {
    var a: array<vec4f, ROWS>;
    // unroll
    for (var i = 0u; i < ROWS; i++) { a[i] = vec4f(own_values[(lane.y + i * GROUP_Y) * STRIDE + d]); }
    // unroll
    for (var j = 0u; j < COLUMNS; j++) {
      let b = walked_gradients[(lane.x + j * GROUP_X) * STRIDE + d];
      // unroll
      for (var i = 0u; i < ROWS; i++) { sum[i * COLUMNS + j] = chain(a[i], b, sum[i * COLUMNS + j]); }
    }
  }
  return sum;
}

// The same as add_walked, of the gradients and their weights.
fn add_gradients(sums: ptr<function, Sums>, lane: vec3u) {
  for (var n = 0u; n < BLOCK; n++) {
    // unroll
    for (var j = 0u; j < VECTORS; j++) {
      let vector = walked_gradients[n * STRIDE + lane.x + j * GROUP_X];
      // unroll
      for (var i = 0u; i < ROWS; i++) {
        let weight = value_weights[n * WEIGHTS + lane.y + i * GROUP_Y];
        (*sums)[i * VECTORS + j] = fma(vec4f(weight), vector, (*sums)[i * VECTORS + j]);
      }
    }
  }
}

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn backward_key(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) lane: vec3u, @builtin(local_invocation_index) index: u32,
) {
  let scale = inverseSqrt(f32(HEAD_DIM));
  let heads = params.heads / params.kv_heads;
  let first = group.x * TILE;
  let kv_head = group.y;
  for (var i = index; i < TILE * D4; i += GROUP) {
    let s = first + i / D4;
    let to = i / D4 * STRIDE + i % D4;
    var key = Stored();
    var value = Stored();
    if (s < params.tokens) {
      key = k[(s * params.kv_heads + kv_head) * D4 + i % D4];
      value = v[(s * params.kv_heads + kv_head) * D4 + i % D4];
    }
    own[to] = key;
    own_values[to] = value;
  }
  var end = 0u;
  for (var s = first; s < min(first + TILE, params.tokens); s++) { end = max(end, last_query[s]); }
  var own_end: array<u32, ROWS>;
  // unroll
  for (var i = 0u; i < ROWS; i++) {
    let s = first + lane.y + i * GROUP_Y;
    if (s < params.tokens) { own_end[i] = last_query[s]; }
  }
  var key_sums: Sums;
  var value_sums: Sums;
  // Queries, and for each the heads that share these keys.
  for (var start = first * heads; start < end * heads; start += BLOCK) {
    for (var i = index; i < BLOCK * D4; i += GROUP) {
      let n = start + i / D4;
      let to = i / D4 * STRIDE + i % D4;
      var query = Stored();
      var gradient = vec4f();
      if (n < end * heads) {
        let row = n / heads * params.heads + kv_head * heads + n % heads;
        query = q[row * D4 + i % D4];
        gradient = d_o[row * D4 + i % D4];
      }
      walked[to] = query;
      walked_gradients[to] = gradient;
    }
    workgroupBarrier();
    let score = products(lane);
    let dp = value_products(lane);
    // unroll
    for (var j = 0u; j < COLUMNS; j++) {
      let column = lane.x + j * GROUP_X;
      let token = (start + column) / heads;
      var saved = vec2f();
      if (token < end) { saved = softmax[token * params.heads + kv_head * heads + (start + column) % heads]; }
      // unroll
      for (var i = 0u; i < ROWS; i++) {
        let row = lane.y + i * GROUP_Y;
        let is_seen = first + row <= token && token < own_end[i];
        let p = select(0.0, exp(score[i * COLUMNS + j] * scale - saved.x), is_seen);
        value_weights[column * WEIGHTS + row] = p;
        weights[column * WEIGHTS + row] = p * (dp[i * COLUMNS + j] - saved.y);
      }
    }
    workgroupBarrier();
    add_walked(&key_sums, lane);
    add_gradients(&value_sums, lane);
    workgroupBarrier();
  }
  // unroll
  for (var i = 0u; i < ROWS; i++) {
    let s = first + lane.y + i * GROUP_Y;
    if (s < params.tokens) {
      // unroll
      for (var j = 0u; j < VECTORS; j++) {
        let to = (s * params.kv_heads + kv_head) * D4 + lane.x + j * GROUP_X;
        dk[to] = key_sums[i * VECTORS + j] * scale;
        dv[to] = value_sums[i * VECTORS + j];
      }
    }
  }
}
