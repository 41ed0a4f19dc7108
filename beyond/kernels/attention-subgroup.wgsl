// The forward pass of attention.wgsl (read that one first: the same formulas, tensors, spans and order) for CPUs
// that play GPU, where a subgroup is one vector register and a load is one move for each of its lanes:
//
//   forward   o[t, h] = softmax(q[t, h] . k / sqrt(D)) v  over the keys that t sees, and its lse
//
// For q and o [T, H, D], k and v [rows, KV, D], lse [T, H]. A lane owns ROWS queries: (token, head) pairs that share
// a key-value head, by attention-subgroup-tile.wgsl. Called by
// beyond/kernels/attention-subgroup.ts where beyond/kernels/variants.ts or a run's table says "subgroup".

// include "math.wgsl"
// include "attention-subgroup-tile.wgsl"

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
    let run = run_through(token, last);
    let seen = run.seen;
    token = run.end;
    var sees: array<u32, ROWS>;
    // unroll
    for (var r = 0u; r < ROWS; r++) {
      sees[r] = select(0u, seen_keys(span_of(token_of[r])), run.first <= token_of[r] && token_of[r] < run.end);
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
