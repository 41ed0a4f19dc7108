// Rotary position embedding (Su et al. 2021), rotate-half as Hugging Face's Llama has it. For each
// pair (a, b) = (u[j], u[j + D/2]) of a head at position p, with angle p * theta^(-2j/D):
//
//   forward    (a, b) -> (a cos - b sin, b cos + a sin)
//   backward   the inverse rotation, which is its transpose
//
// forward splits qkv[T, (H + 2 KV) D] into q[T, H D] and rows of keys and values, which in decoding
// are caches; backward joins dq, dk, dv into dqkv. A token's span says where its key and value rows
// live (the last of its own keys) and its position (how many keys it sees, less one). Where heads are
// normed first, q and k come from the normed copy `qk` of qkv, v from qkv; elsewhere both are one tensor.
// Layers with other frequencies have tables of their own, one after the other in the tensor.
// The table comes from float64 on the host: sin and cos of software adapters err by 1e-3.
// D is a multiple of 4. Called by lib/model/ops/rope.ts.

// include "moved.wgsl"

// What activations are stored as: vec2h in runs that say so. Arithmetic and gradients are f32.
alias Stored = vec2f;

struct Params {
  tokens: u32,     // T
  heads: u32,      // H
  kv_heads: u32,   // KV
  first: u32,      // where the layer's table begins, in positions
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> spans: array<vec4u>;            // [T]
@group(0) @binding(2) var<storage, read> table: array<vec4f>;            // [positions, D/4] two (cos, sin)
@group(0) @binding(3) var<storage, read> qk: array<Stored>;              // [T, (H + 2 KV) D], v unused
@group(0) @binding(4) var<storage, read> qkv: array<Stored>;             // [T, (H + 2 KV) D]
@group(0) @binding(5) var<storage, read_write> q: array<Stored>;         // [T, H D]
@group(0) @binding(6) var<storage, read_write> keys: array<Stored>;      // [rows, KV D]
@group(0) @binding(7) var<storage, read_write> values: array<Stored>;    // [rows, KV D]
@group(0) @binding(8) var<storage, read> dq: array<vec2f>;               // [T, H D]
@group(0) @binding(9) var<storage, read> dk: array<vec2f>;               // [T, KV D]
@group(0) @binding(10) var<storage, read> dv: array<vec2f>;              // [T, KV D]
@group(0) @binding(11) var<storage, read_write> dqkv: array<vec2f>;      // [T, (H + 2 KV) D]

const HEAD_DIM: u32 = 16u;
const HALF: u32 = HEAD_DIM / 4u;   // vectors of two in half a head

// Two neighbouring pairs (a, b) of a head, as two vectors.
struct Pairs {
  head: u32,
  lane: u32,       // j / 2
  token: u32,
  packed: u32,     // vector of the a in qkv; the b are HALF further
  row: u32,        // row of keys and values
  cos: vec2f,
  sin: vec2f,
}

fn pairs_of(index: u32) -> Pairs {
  let heads = params.heads + 2u * params.kv_heads;
  let at_head = index / HALF;
  let lane = index % HALF;
  let token = at_head / heads;
  let span = spans[token];
  let position = span.y - span.x + span.w - span.z - 1u;
  let turn = table[(params.first + position) * HALF + lane];
  let packed = at_head * 2u * HALF + lane;
  return Pairs(at_head % heads, lane, token, packed, span.w - 1u, turn.xz, turn.yw);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.tokens * (params.heads + 2u * params.kv_heads) * HALF) { return; }
  let at = pairs_of(index);
  if (at.head >= params.heads + params.kv_heads) {
    let head = at.head - params.heads - params.kv_heads;
    let to = (where_lies(at.row) * params.kv_heads + head) * 2u * HALF + at.lane;
    values[to] = qkv[at.packed];
    values[to + HALF] = qkv[at.packed + HALF];
    return;
  }
  let a = vec2f(qk[at.packed]);
  let b = vec2f(qk[at.packed + HALF]);
  let turned_a = Stored(a * at.cos - b * at.sin);
  let turned_b = Stored(b * at.cos + a * at.sin);
  if (at.head < params.heads) {
    let to = (at.token * params.heads + at.head) * 2u * HALF + at.lane;
    q[to] = turned_a;
    q[to + HALF] = turned_b;
  } else {
    let to = (where_lies(at.row) * params.kv_heads + at.head - params.heads) * 2u * HALF + at.lane;
    keys[to] = turned_a;
    keys[to + HALF] = turned_b;
  }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.tokens * (params.heads + 2u * params.kv_heads) * HALF) { return; }
  let at = pairs_of(index);
  var a: vec2f;
  var b: vec2f;
  if (at.head < params.heads) {
    let source = (at.token * params.heads + at.head) * 2u * HALF + at.lane;
    a = dq[source];
    b = dq[source + HALF];
  } else if (at.head < params.heads + params.kv_heads) {
    let source = (at.row * params.kv_heads + at.head - params.heads) * 2u * HALF + at.lane;
    a = dk[source];
    b = dk[source + HALF];
  } else {
    let head = at.head - params.heads - params.kv_heads;
    let source = (at.row * params.kv_heads + head) * 2u * HALF + at.lane;
    dqkv[at.packed] = dv[source];
    dqkv[at.packed + HALF] = dv[source + HALF];
    return;
  }
  dqkv[at.packed] = a * at.cos + b * at.sin;
  dqkv[at.packed + HALF] = b * at.cos - a * at.sin;
}
