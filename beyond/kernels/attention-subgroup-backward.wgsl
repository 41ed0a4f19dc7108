// The gradients of attention.wgsl (read that one first: the same formulas, tensors, spans and order) for CPUs that
// play GPU, from the (lse, delta) that its backward_delta leaves:
//
//   p = exp(q[t, h] . k[s] / sqrt(D) - lse),  ds = p * (do . v[s] - delta)
//
//   backward_query   dq[t, h] = sum over the s that t sees of ds k[s] / sqrt(D): a lane owns ROWS queries
//   backward_key     dk[s] = sum over the queries that see s of ds q / sqrt(D),  dv[s] = sum of p do: ROWS keys
//
// For q, do and dq [T, H, D], and k, v, dk and dv [T, KV, D]: learning has no cache. The tile is that of
// attention-subgroup-tile.wgsl. Called by beyond/kernels/attention-subgroup.ts where
// beyond/kernels/variants.ts or a run's table says "subgroup".

// include "attention-subgroup-tile.wgsl"

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
    let run = run_through(token, last);
    let seen = run.seen;
    token = run.end;
    var sees: array<u32, ROWS>;
    // unroll
    for (var r = 0u; r < ROWS; r++) {
      sees[r] = select(0u, seen_keys(span_of(token_of[r])), run.first <= token_of[r] && token_of[r] < run.end);
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
  var seen_by: array<vec2u, ROWS>;
  var key: array<vec4f, ROWS * D4>;
  var value: array<vec4f, ROWS * D4>;
  var key_sum: array<vec4f, ROWS * D4>;
  var value_sum: array<vec4f, ROWS * D4>;
  // unroll
  for (var r = 0u; r < ROWS; r++) {
    token[r] = min(first_key + r * LANES + lane, params.tokens - 1u);
    seen_by[r] = last_query[token[r]];
    let at = (token[r] * params.kv_heads + tile.kv_head) * D4;
    // unroll
    for (var i = 0u; i < D4; i++) {
      key[r * D4 + i] = vec4f(k[at + i]) * scale;
      value[r * D4 + i] = vec4f(v[at + i]);
    }
  }
  var end = 0u;
  for (var s = first_key; s < min(first_key + LANES * ROWS, params.tokens); s++) {
    end = max(end, last_query[s].x);
  }
  for (var m = first_key * tile.group; m < end * tile.group; m += LANES) {
    let row = query_row(tile, min(m + lane, end * tile.group - 1u));
    let state = softmax[row];
    let position = last_query[row / params.heads].y;
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
      let its_position = subgroupBroadcast(position, j);
      let t = (m + j) / tile.group;
      // unroll
      for (var r = 0u; r < ROWS; r++) {
        let n = r * LANES + j;
        // as can_see has it, without loading what a register holds: SwiftShader's compiler would not end
        let is_seen = (token[r] <= t) & (t < seen_by[r].x) & (its_position - seen_by[r].y < params.window);
        p[n] = select(0.0, exp(p[n] - its.x), is_seen);
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
