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
// The table comes from float64 on the host: sin and cos of software adapters err by 1e-3.
// Called by lib/model/ops/rope.ts.

// What activations are stored as: f16 in runs that say so. Arithmetic and gradients are f32.
alias Stored = f32;

struct Params {
  tokens: u32,     // T
  heads: u32,      // H
  kv_heads: u32,   // KV
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> spans: array<vec4u>;            // [T]
@group(0) @binding(2) var<storage, read> table: array<vec2f>;            // [positions, D/2] (cos, sin)
@group(0) @binding(3) var<storage, read> qk: array<Stored>;              // [T, (H + 2 KV) D], v unused
@group(0) @binding(4) var<storage, read> qkv: array<Stored>;             // [T, (H + 2 KV) D]
@group(0) @binding(5) var<storage, read_write> q: array<Stored>;         // [T, H D]
@group(0) @binding(6) var<storage, read_write> keys: array<Stored>;      // [rows, KV D]
@group(0) @binding(7) var<storage, read_write> values: array<Stored>;    // [rows, KV D]
@group(0) @binding(8) var<storage, read> dq: array<f32>;                 // [T, H D]
@group(0) @binding(9) var<storage, read> dk: array<f32>;                 // [T, KV D]
@group(0) @binding(10) var<storage, read> dv: array<f32>;                 // [T, KV D]
@group(0) @binding(11) var<storage, read_write> dqkv: array<f32>;        // [T, (H + 2 KV) D]

const HEAD_DIM: u32 = 16u;
const HALF: u32 = HEAD_DIM / 2u;

struct Pair {
  head: u32,
  lane: u32,       // j
  token: u32,
  packed: u32,     // index of a in qkv; b is HALF further
  row: u32,        // row of keys and values
  turn: vec2f,     // (cos, sin)
}

fn pair_of(index: u32) -> Pair {
  let heads = params.heads + 2u * params.kv_heads;
  let token = index / (heads * HALF);
  let rest = index % (heads * HALF);
  let head = rest / HALF;
  let lane = rest % HALF;
  let span = spans[token];
  let position = span.y - span.x + span.w - span.z - 1u;
  let packed = token * heads * HEAD_DIM + head * HEAD_DIM + lane;
  return Pair(head, lane, token, packed, span.w - 1u, table[position * HALF + lane]);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.tokens * (params.heads + 2u * params.kv_heads) * HALF) { return; }
  let pair = pair_of(index);
  let a = f32(qk[pair.packed]);
  let b = f32(qk[pair.packed + HALF]);
  let turned = vec2f(a * pair.turn.x - b * pair.turn.y, b * pair.turn.x + a * pair.turn.y);
  if (pair.head < params.heads) {
    let at = (pair.token * params.heads + pair.head) * HEAD_DIM + pair.lane;
    q[at] = Stored(turned.x);
    q[at + HALF] = Stored(turned.y);
  } else if (pair.head < params.heads + params.kv_heads) {
    let at = (pair.row * params.kv_heads + pair.head - params.heads) * HEAD_DIM + pair.lane;
    keys[at] = Stored(turned.x);
    keys[at + HALF] = Stored(turned.y);
  } else {
    let head = pair.head - params.heads - params.kv_heads;
    let at = (pair.row * params.kv_heads + head) * HEAD_DIM + pair.lane;
    values[at] = qkv[pair.packed];
    values[at + HALF] = qkv[pair.packed + HALF];
  }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.tokens * (params.heads + 2u * params.kv_heads) * HALF) { return; }
  let pair = pair_of(index);
  var up: vec2f;
  if (pair.head < params.heads) {
    let at = (pair.token * params.heads + pair.head) * HEAD_DIM + pair.lane;
    up = vec2f(dq[at], dq[at + HALF]);
  } else if (pair.head < params.heads + params.kv_heads) {
    let at = (pair.row * params.kv_heads + pair.head - params.heads) * HEAD_DIM + pair.lane;
    up = vec2f(dk[at], dk[at + HALF]);
  } else {
    let head = pair.head - params.heads - params.kv_heads;
    let at = (pair.row * params.kv_heads + head) * HEAD_DIM + pair.lane;
    dqkv[pair.packed] = dv[at];
    dqkv[pair.packed + HALF] = dv[at + HALF];
    return;
  }
  dqkv[pair.packed] = up.x * pair.turn.x + up.y * pair.turn.y;
  dqkv[pair.packed + HALF] = up.y * pair.turn.x - up.x * pair.turn.y;
}
