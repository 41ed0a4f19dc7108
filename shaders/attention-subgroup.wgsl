// The attention of attention.wgsl (read that one first: the same formulas, tensors, spans and order) for CPUs
// that play GPU, where a subgroup is one vector register and a load is one move for each of its lanes:
//
//   forward, backward_query   a lane owns ROWS queries: (token, head) pairs that share a key-value head
//   backward_key              a lane owns ROWS keys
//
// A workgroup is one subgroup of LANES and walks LANES rows of the other side at a time: each lane loads one
// of them, and hands it to all lanes by subgroupBroadcast, a shuffle. The tokens of a tile may be of several
// sequences: each has its turn, all lanes walk its keys, and only its own queries take from them.
//
// What the ideas buy: GFLOP/s of forward, backward_query and backward_key on 2 cores, 512 tokens.
//
//                                 9 heads on 3 of 64                  4 heads of 16
//                                 lavapipe          SwiftShader      lavapipe          SwiftShader
//   attention.wgsl                2.9, 3.8, 5.3     1.0, 1.5, 2.7    4.9, 6.3, 6.5     1.9, 3.2, 2.9
//   rows handed round, ROWS = 1   12.7, 16.3, 11.1                   13.3, 22.0, 15.1
//   ROWS = 2: each serves two     15.4, 12.2, 8.3   2.7, 5.3, 4.6    16.1, 18.6, 17.2  3.9, 5.5, 5.1
//   ROWS = 4                                                                           4.6, 8.1, 7.4
//
//   SLICE: with 4 vectors of a head at a time LLVM takes 1.4 s to compile forward for heads of 64, with 8 it
//   takes 3.6 s for slower code. SwiftShader is slow with arrays that a loop indexes, and has all 16.
//
// Called by lib/model/ops/attention.ts where lib/gpu/variants.ts says "subgroup". Needs math.wgsl.
enable subgroups;

// What activations are stored as: vec4h in runs that say so. Arithmetic and gradients are f32.
alias Stored = vec4f;

struct Params {
  tokens: u32,     // T
  heads: u32,      // H
  kv_heads: u32,   // KV
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

const HEAD_DIM: u32 = 16u;
const LANES: u32 = 4u;
const ROWS: u32 = 1u;      // of a lane, LANES apart
const CHUNK: u32 = 128u;   // keys, a multiple of LANES
const D4: u32 = HEAD_DIM / 4u;
const SLICE: u32 = 4u;     // vectors of a head that are in registers at once
const SLICES: u32 = D4 / SLICE;
const QUADS: u32 = LANES / 4u;
const LOWEST: f32 = -3.4e38;

// The queries of a workgroup: those from `first` on, counted over tokens and then the heads of one key head.
struct Tile {
  kv_head: u32,
  group: u32,      // heads of a key head
  first: u32,
  end: u32,        // of all queries on this key head
}

fn tile_of(index: u32) -> Tile {
  let group = params.heads / params.kv_heads;
  return Tile(
    index % params.kv_heads, group, index / params.kv_heads * LANES * ROWS, params.tokens * group,
  );
}

// Where in [T, H] the n-th query of a key head is.
fn query_row(tile: Tile, n: u32) -> u32 {
  return n / tile.group * params.heads + tile.kv_head * tile.group + n % tile.group;
}

// The last token of a tile.
fn last_token(tile: Tile) -> u32 { return (min(tile.first + LANES * ROWS, tile.end) - 1u) / tile.group; }

fn seen_keys(span: vec4u) -> u32 { return span.y - span.x + span.w - span.z; }

// Tokens of a tile from `first` to `end` whose keys begin at the same places, and the most that one of them sees.
struct Run {
  first: u32,
  end: u32,
  seen: u32,
  span: vec4u,
}

fn run_from(first: u32, last: u32) -> Run {
  var run = Run(first, first + 1u, seen_keys(spans[first]), spans[first]);
  for (; run.end <= last; run.end++) {
    let span = spans[run.end];
    if (any(span.xyz != run.span.xyz)) { break; }
    run.seen = max(run.seen, seen_keys(span));
  }
  return run;
}

// The vectors' start of the s-th key that a token of this span sees.
fn key_at(span: vec4u, s: u32, kv_head: u32) -> u32 {
  let prefix = span.y - span.x;
  let row = select(span.z + s - prefix, span.x + s, s < prefix);
  return (row * params.kv_heads + kv_head) * D4;
}

@compute @workgroup_size(LANES)
fn forward(
  @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = tile_of(workgroup.x + workgroup.y * groups.x);
  if (tile.first >= tile.end) { return; }
  let scale = inverseSqrt(f32(HEAD_DIM));
  var row: array<u32, ROWS>;
  var token_of: array<u32, ROWS>;
  var query: array<vec4f, ROWS * D4>;
  var largest: array<f32, ROWS>;
  var total: array<f32, ROWS>;
  var sum: array<vec4f, ROWS * D4>;
  var weights: array<vec4f, ROWS * CHUNK / 4u>; // scores of a chunk, then exp(score - largest)
  // unroll
  for (var r = 0u; r < ROWS; r++) {
    let n = min(tile.first + r * LANES + lane, tile.end - 1u);
    row[r] = query_row(tile, n);
    token_of[r] = n / tile.group;
    largest[r] = LOWEST;
    // unroll
    for (var i = 0u; i < D4; i++) { query[r * D4 + i] = vec4f(q[row[r] * D4 + i]) * scale; }
  }
  let last = last_token(tile);
  for (var token = tile.first / tile.group; token <= last;) {
    let run = run_from(token, last);
    let seen = run.seen;
    token = run.end;
    var sees: array<u32, ROWS>;
    // unroll
    for (var r = 0u; r < ROWS; r++) {
      sees[r] = select(0u, seen_keys(spans[token_of[r]]), run.first <= token_of[r] && token_of[r] < run.end);
    }
    for (var first = 0u; first < seen; first += CHUNK) {
      let end = min(first + CHUNK, seen);
      var chunk_largest = array<f32, ROWS>();
      // unroll
      for (var r = 0u; r < ROWS; r++) { chunk_largest[r] = LOWEST; }
      for (var s = first; s < end; s += LANES) {
        let at = key_at(run.span, min(s + lane, seen - 1u), tile.kv_head);
        var score = array<f32, ROWS * LANES>();
        // unroll if once
        for (var slice = 0u; slice < SLICES; slice++) {
          // unroll
          for (var n = 0u; n < SLICE; n++) {
            let i = slice * SLICE + n;
            let key = vec4f(k[at + i]);
            // unroll
            for (var j = 0u; j < LANES; j++) {
              let its = subgroupBroadcast(key, j);
              // unroll
              for (var r = 0u; r < ROWS; r++) { score[r * LANES + j] += dot(query[r * D4 + i], its); }
            }
          }
        }
        // unroll
        for (var r = 0u; r < ROWS; r++) {
          // unroll
          for (var j = 0u; j < QUADS; j++) {
            let n = r * LANES + 4u * j;
            let sees_key = vec4u(s + 4u * j) + vec4u(0u, 1u, 2u, 3u) < vec4u(sees[r]);
            let its = select(vec4f(LOWEST), vec4f(score[n], score[n + 1u], score[n + 2u], score[n + 3u]), sees_key);
            weights[(r * CHUNK + s - first) / 4u + j] = its;
            chunk_largest[r] = max(chunk_largest[r], max(max(its.x, its.y), max(its.z, its.w)));
          }
        }
      }
      var before: array<f32, ROWS>;
      var now: array<f32, ROWS>;
      var chunk_total = array<f32, ROWS>();
      // unroll
      for (var r = 0u; r < ROWS; r++) {
        let takes = first < sees[r];
        let raised = max(largest[r], chunk_largest[r]);
        before[r] = select(1.0, exp(largest[r] - raised), takes);
        now[r] = select(0.0, exp(chunk_largest[r] - raised), takes);
        largest[r] = select(largest[r], raised, takes);
      }
      // unroll if once
      for (var slice = 0u; slice < SLICES; slice++) {
        var chunk_sum = array<vec4f, ROWS * SLICE>();
        for (var s = first; s < end; s += LANES) {
          let at = key_at(run.span, min(s + lane, seen - 1u), tile.kv_head) + slice * SLICE;
          var p: array<f32, ROWS * LANES>;
          // unroll
          for (var r = 0u; r < ROWS; r++) {
            // unroll
            for (var j = 0u; j < QUADS; j++) {
              let at_weights = (r * CHUNK + s - first) / 4u + j;
              var its = weights[at_weights];
              if (slice == 0u) {
                its = exp(its - chunk_largest[r]);
                chunk_total[r] += its.x;
                chunk_total[r] += its.y;
                chunk_total[r] += its.z;
                chunk_total[r] += its.w;
                if (SLICES > 1u) { weights[at_weights] = its; }
              }
              let n = r * LANES + 4u * j;
              p[n] = its.x;
              p[n + 1u] = its.y;
              p[n + 2u] = its.z;
              p[n + 3u] = its.w;
            }
          }
          // unroll
          for (var n = 0u; n < SLICE; n++) {
            let value = vec4f(v[at + n]);
            // unroll
            for (var j = 0u; j < LANES; j++) {
              let its = subgroupBroadcast(value, j);
              // unroll
              for (var r = 0u; r < ROWS; r++) { chunk_sum[r * SLICE + n] += p[r * LANES + j] * its; }
            }
          }
        }
        // unroll
        for (var r = 0u; r < ROWS; r++) {
          // unroll
          for (var n = 0u; n < SLICE; n++) {
            let i = r * D4 + slice * SLICE + n;
            sum[i] = fma(sum[i], vec4f(before[r]), chunk_sum[r * SLICE + n] * now[r]);
          }
        }
      }
      // unroll
      for (var r = 0u; r < ROWS; r++) { total[r] = fma(total[r], before[r], chunk_total[r] * now[r]); }
    }
  }
  // unroll
  for (var r = 0u; r < ROWS; r++) {
    if (tile.first + r * LANES + lane < tile.end) {
      // unroll
      for (var i = 0u; i < D4; i++) { o[row[r] * D4 + i] = Stored(sum[r * D4 + i] / total[r]); }
      lse[row[r]] = largest[r] + ln(total[r]);
    }
  }
}

@compute @workgroup_size(LANES)
fn backward_query(
  @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = tile_of(workgroup.x + workgroup.y * groups.x);
  if (tile.first >= tile.end) { return; }
  let scale = inverseSqrt(f32(HEAD_DIM));
  var row: array<u32, ROWS>;
  var token_of: array<u32, ROWS>;
  var state: array<vec2f, ROWS>;
  var query: array<vec4f, ROWS * D4>;
  var upstream: array<vec4f, ROWS * D4>;
  var sum: array<vec4f, ROWS * D4>;
  // unroll
  for (var r = 0u; r < ROWS; r++) {
    let n = min(tile.first + r * LANES + lane, tile.end - 1u);
    row[r] = query_row(tile, n);
    token_of[r] = n / tile.group;
    state[r] = softmax[row[r]];
    // unroll
    for (var i = 0u; i < D4; i++) {
      query[r * D4 + i] = vec4f(q[row[r] * D4 + i]) * scale;
      upstream[r * D4 + i] = d_o[row[r] * D4 + i];
    }
  }
  let last = last_token(tile);
  for (var token = tile.first / tile.group; token <= last;) {
    let run = run_from(token, last);
    let seen = run.seen;
    token = run.end;
    var sees: array<u32, ROWS>;
    // unroll
    for (var r = 0u; r < ROWS; r++) {
      sees[r] = select(0u, seen_keys(spans[token_of[r]]), run.first <= token_of[r] && token_of[r] < run.end);
    }
    for (var s = 0u; s < seen; s += LANES) {
      let at = key_at(run.span, min(s + lane, seen - 1u), tile.kv_head);
      var score = array<f32, ROWS * LANES>();
      var ds = array<f32, ROWS * LANES>();
      // unroll if once
      for (var slice = 0u; slice < SLICES; slice++) {
        // unroll
        for (var n = 0u; n < SLICE; n++) {
          let i = slice * SLICE + n;
          let key = vec4f(k[at + i]);
          let value = vec4f(v[at + i]);
          // unroll
          for (var j = 0u; j < LANES; j++) {
            let its_key = subgroupBroadcast(key, j);
            let its_value = subgroupBroadcast(value, j);
            // unroll
            for (var r = 0u; r < ROWS; r++) {
              score[r * LANES + j] += dot(query[r * D4 + i], its_key);
              ds[r * LANES + j] += dot(upstream[r * D4 + i], its_value);
            }
          }
        }
      }
      // unroll
      for (var r = 0u; r < ROWS; r++) {
        // unroll
        for (var j = 0u; j < LANES; j++) {
          let n = r * LANES + j;
          ds[n] = select(0.0, exp(score[n] - state[r].x) * (ds[n] - state[r].y), s + j < sees[r]);
        }
      }
      // unroll if once
      for (var slice = 0u; slice < SLICES; slice++) {
        // unroll
        for (var n = 0u; n < SLICE; n++) {
          let i = slice * SLICE + n;
          let key = vec4f(k[at + i]);
          var added = array<vec4f, ROWS>();
          // unroll
          for (var j = 0u; j < LANES; j++) {
            let its = subgroupBroadcast(key, j);
            // unroll
            for (var r = 0u; r < ROWS; r++) { added[r] += ds[r * LANES + j] * its; }
          }
          // unroll
          for (var r = 0u; r < ROWS; r++) { sum[r * D4 + i] += added[r]; }
        }
      }
    }
  }
  // unroll
  for (var r = 0u; r < ROWS; r++) {
    if (tile.first + r * LANES + lane < tile.end) {
      // unroll
      for (var i = 0u; i < D4; i++) { dq[row[r] * D4 + i] = sum[r * D4 + i] * scale; }
    }
  }
}

@compute @workgroup_size(LANES)
fn backward_key(
  @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = tile_of(workgroup.x + workgroup.y * groups.x);
  let first_key = tile.first;
  if (first_key >= params.tokens) { return; }
  let scale = inverseSqrt(f32(HEAD_DIM));
  var token: array<u32, ROWS>;
  var end_query: array<u32, ROWS>;
  var key: array<vec4f, ROWS * D4>;
  var value: array<vec4f, ROWS * D4>;
  var key_sum: array<vec4f, ROWS * D4>;
  var value_sum: array<vec4f, ROWS * D4>;
  // unroll
  for (var r = 0u; r < ROWS; r++) {
    token[r] = min(first_key + r * LANES + lane, params.tokens - 1u);
    end_query[r] = last_query[token[r]];
    let at = (token[r] * params.kv_heads + tile.kv_head) * D4;
    // unroll
    for (var i = 0u; i < D4; i++) {
      key[r * D4 + i] = vec4f(k[at + i]) * scale;
      value[r * D4 + i] = vec4f(v[at + i]);
    }
  }
  var end = 0u;
  for (var s = first_key; s < min(first_key + LANES * ROWS, params.tokens); s++) {
    end = max(end, last_query[s]);
  }
  for (var m = first_key * tile.group; m < end * tile.group; m += LANES) {
    let row = query_row(tile, min(m + lane, end * tile.group - 1u));
    let state = softmax[row];
    var p = array<f32, ROWS * LANES>();
    var ds = array<f32, ROWS * LANES>();
    // unroll if once
    for (var slice = 0u; slice < SLICES; slice++) {
      // unroll
      for (var n = 0u; n < SLICE; n++) {
        let i = slice * SLICE + n;
        let query = vec4f(q[row * D4 + i]);
        let upstream = d_o[row * D4 + i];
        // unroll
        for (var j = 0u; j < LANES; j++) {
          let its_query = subgroupBroadcast(query, j);
          let its_upstream = subgroupBroadcast(upstream, j);
          // unroll
          for (var r = 0u; r < ROWS; r++) {
            p[r * LANES + j] += dot(key[r * D4 + i], its_query);
            ds[r * LANES + j] += dot(value[r * D4 + i], its_upstream);
          }
        }
      }
    }
    // unroll
    for (var j = 0u; j < LANES; j++) {
      let its = subgroupBroadcast(state, j);
      let t = (m + j) / tile.group;
      // unroll
      for (var r = 0u; r < ROWS; r++) {
        let n = r * LANES + j;
        p[n] = select(0.0, exp(p[n] - its.x), token[r] <= t && t < end_query[r]);
        ds[n] = p[n] * (ds[n] - its.y);
      }
    }
    // unroll if once
    for (var slice = 0u; slice < SLICES; slice++) {
      // unroll
      for (var n = 0u; n < SLICE; n++) {
        let i = slice * SLICE + n;
        let query = vec4f(q[row * D4 + i]);
        let upstream = d_o[row * D4 + i];
        var keys_added = array<vec4f, ROWS>();
        var values_added = array<vec4f, ROWS>();
        // unroll
        for (var j = 0u; j < LANES; j++) {
          let its_query = subgroupBroadcast(query, j);
          let its_upstream = subgroupBroadcast(upstream, j);
          // unroll
          for (var r = 0u; r < ROWS; r++) {
            keys_added[r] += ds[r * LANES + j] * its_query;
            values_added[r] += p[r * LANES + j] * its_upstream;
          }
        }
        // unroll
        for (var r = 0u; r < ROWS; r++) {
          key_sum[r * D4 + i] += keys_added[r];
          value_sum[r * D4 + i] += values_added[r];
        }
      }
    }
  }
  // unroll
  for (var r = 0u; r < ROWS; r++) {
    if (first_key + r * LANES + lane < params.tokens) {
      let at = (token[r] * params.kv_heads + tile.kv_head) * D4;
      // unroll
      for (var i = 0u; i < D4; i++) {
        dk[at + i] = key_sum[r * D4 + i] * scale;
        dv[at + i] = value_sum[r * D4 + i];
      }
    }
  }
}
