// How the tiled attention of GPUs multiplies: sizes, and a block of rows in workgroup memory. Included by
// attention-tiled.wgsl (forward) and attention-tiled-backward.wgsl by
// beyond/kernels/attention-tiled.ts, which chooses the sizes:
//
//   products   own . walked, for each of TILE own rows and BLOCK walked ones, of HEAD_DIM numbers each
//
// A workgroup owns TILE rows and walks the others BLOCK at a time, both in workgroup memory. Forward and
// backward_query own queries, (token, head) pairs that share a key-value head, and walk keys; backward_key
// owns keys and walks queries. In a block, invocation (x, y) first multiplies rows y, y + GROUP_Y, ... by
// walked rows x, x + GROUP_X, ...; the weights that come of it go through workgroup memory; then it adds
// vectors x, x + GROUP_X, ... of the walked rows, so weighted, to those of its own. What each idea buys, for
// heads of 64 in f32. These are counts; no time of these kernels has been taken on a GPU yet.
//
//   workgroup memory  a multiply-add loads 4 / TILE bytes from buffers forward, 1/8 byte (32 queries, 16 keys a
//                     block), 1/6 in backward_query and 1/8 in backward_key (16 rows), where attention.wgsl
//                     loads 4 in all three. It uses 16 KiB, which every adapter has, unless tuned.
//   registers         of workgroup memory it reads 2.4 bytes forward, 3.5 backward_query, 4.3 backward_key; with
//                     one product an invocation, 8.
//   heads             the heads that share a key-value head share its loads: in decoding, where every token
//                     has keys of its own, a tile is one token's heads (TILE = 4, 8 or 16).

// include "attention-queries.wgsl"

const GROUP_X: u32 = 4u;             // invocations along the walked rows, and along the vectors of a head
const GROUP_Y: u32 = 16u;            // and along the owned rows
const ROWS: u32 = 2u;                // owned rows of an invocation, GROUP_Y apart
const COLUMNS: u32 = 4u;             // walked rows of an invocation, GROUP_X apart
const FETCHES: u32 = 1u;             // vectors of a block that an invocation loads, rounded up
const VECTORS: u32 = D4 / GROUP_X;   // vectors of an invocation
const TILE: u32 = GROUP_Y * ROWS;
const BLOCK: u32 = GROUP_X * COLUMNS;
const GROUP: u32 = GROUP_X * GROUP_Y;
// Rows an odd number of vectors apart, and weights four more than rows: neighbours use other banks.
const STRIDE: u32 = D4 + 1u;
const WEIGHTS: u32 = TILE + 4u;
const MOST_TOKENS: u32 = TILE;        // see attention-queries.wgsl

var<workgroup> own: array<Stored, TILE * STRIDE>;              // q, or k
var<workgroup> walked: array<Stored, BLOCK * STRIDE>;          // k or v, or q
var<workgroup> weights: array<f32, BLOCK * WEIGHTS>;           // [BLOCK][TILE]: p, or ds

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
  return (key_row(run.span, key) * params.kv_heads + kv_head) * D4 + i % D4;
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
