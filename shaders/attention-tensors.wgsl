// What all shaders of attention have in common: parameters, tensors, and which keys a token sees.

// include "moved.wgsl"

// What activations are stored as: vec4h in runs that say so. Arithmetic and gradients are f32.
alias Stored = vec4f;

struct Params {
  tokens: u32,     // T
  heads: u32,      // H
  kv_heads: u32,   // KV
  chunks: u32,     // places in `partials` for each query and head
  window: u32,     // the most keys that a token sees, of those that it might the last
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> spans: array<vec4u>;              // [T]
@group(0) @binding(2) var<storage, read> last_query: array<vec2u>;         // [T] (last query, position)
@group(0) @binding(3) var<storage, read> q: array<Stored>;                 // [T, H, D]
@group(0) @binding(4) var<storage, read> k: array<Stored>;                 // [rows, KV, D]
@group(0) @binding(5) var<storage, read> v: array<Stored>;                 // [rows, KV, D]
@group(0) @binding(6) var<storage, read_write> o: array<Stored>;           // [T, H, D]
@group(0) @binding(7) var<storage, read_write> lse: array<f32>;            // [T, H]
@group(0) @binding(8) var<storage, read> d_o: array<vec4f>;                // [T, H, D]
@group(0) @binding(9) var<storage, read_write> softmax: array<vec2f>;      // [T, H] (lse, delta)
@group(0) @binding(10) var<storage, read_write> dq: array<vec4f>;          // [T, H, D]
@group(0) @binding(11) var<storage, read_write> dk: array<vec4f>;          // [T, KV, D]
@group(0) @binding(12) var<storage, read_write> dv: array<vec4f>;          // [T, KV, D]

// The softmax over a chunk: D4 vectors of values, then (largest, total, 0, 0).
@group(0) @binding(13) var<storage, read_write> partials: array<vec4f>;    // [T, H, chunks, D + 4]

const HEAD_DIM: u32 = 16u;
const CHUNK: u32 = 128u;
const D4: u32 = HEAD_DIM / 4u;
const LOWEST: f32 = -3.4e38;

fn seen_keys(span: vec4u) -> u32 { return span.y - span.x + span.w - span.z; }

// The keys that a token sees: its span, without those that lie before its window.
fn span_of(token: u32) -> vec4u {
  let span = spans[token];
  let seen = seen_keys(span);
  let before = seen - min(seen, params.window);
  let of_prefix = min(before, span.y - span.x);
  return span + vec4u(of_prefix, 0u, before - of_prefix, 0u);
}

// Whether a token sees key s of the batch, both counted from its first token.
fn can_see(token: u32, s: u32) -> bool {
  let of_key = last_query[s];
  return s <= token && token < of_key.x && last_query[token].y - of_key.y < params.window;
}

// The row of keys and values where the s-th key that a token sees is.
fn key_row(span: vec4u, s: u32) -> u32 {
  let prefix = span.y - span.x;
  return where_lies(select(span.z + s - prefix, span.x + s, s < prefix));
}
