// Causal grouped-query attention over packed sequences, the way FlashAttention (Dao et al. 2022)
// does it: the softmax chunk by chunk, the log-sum-exp saved, the T x T matrix never built.
//
//   forward          o[t, h] = sum over seen keys s of p[t, s] v[s],  p = softmax(q[t, h] . k[s] / sqrt(D))
//                    lse[t, h] = log of the softmax's denominator
//   forward_chunk    the same of one chunk of keys, left in partials[t, h, chunk], and
//   forward_merge    o and lse from these: forward in two parts, the same bits
//   backward_delta   delta[t, h] = do[t, h] . o[t, h], put beside lse into softmax[t, h]: the next two
//                    would bind more buffers than the 8 that every adapter has, were they apart
//   backward_query   ds = p * (do . v[s] - delta),  dq[t, h] = sum over s of ds k[s] / sqrt(D)
//   backward_key     dk[s] = sum over the queries that see s of ds q / sqrt(D),  dv[s] = sum of p do
//
// Token t sees the keys [span.x, span.y), its prefix, then [span.z, span.w), its own sequence up to
// itself; several sequences may name one prefix, so a prompt is computed once for its completions,
// in learning (k and v are the batch's own) as in decoding (k and v are caches). `last_query[s]` ends
// the run of queries, beginning with s itself, that see key s. In layers with a sliding window a token sees the last
// `window` of these keys alone: positions in `last_query`, its own and the key's, are less than that apart.
//
// Order: the keys that a query sees, prefix first, are cut into chunks of CHUNK. A chunk's scores come
// first and their largest is subtracted from all; then its sums, key by key; then it is merged with the
// chunks before it. Nothing in that depends on other queries or on where the keys lie, so a token has the
// same bits alone in decoding and among others in learning. Few queries with many keys leave a GPU idle:
// then every chunk is an invocation's of its own (forward_chunk), and what it leaves is merged in order.
//
// One invocation owns one query and head (or one key and key-value head) and walks alone.
// Called by lib/model/ops/attention.ts.

// include "math.wgsl"
// include "attention-tensors.wgsl"

// A softmax over some keys, before the division by its denominator.
struct Softmax {
  largest: f32,                  // score
  total: f32,                    // sum of exp(score - largest)
  values: array<vec4f, D4>,      // sum of exp(score - largest) v
}

// Over the chunk of keys that begins with the one numbered `first`.
fn over_chunk(index: u32, first: u32) -> Softmax {
  let kv_head = (index % params.heads) / (params.heads / params.kv_heads);
  let span = span_of(index / params.heads);
  let count = min(CHUNK, seen_keys(span) - first);
  let scale = inverseSqrt(f32(HEAD_DIM));
  var query: array<vec4f, D4>;
  // unroll
  for (var i = 0u; i < D4; i++) { query[i] = vec4f(q[index * D4 + i]) * scale; }
  var chunk = Softmax(LOWEST, 0.0, array<vec4f, D4>());
  var scores: array<f32, CHUNK>;
  for (var s = 0u; s < count; s++) {
    let at = (key_row(span, first + s) * params.kv_heads + kv_head) * D4;
    var score = 0.0;
    // unroll
    for (var i = 0u; i < D4; i++) { score += dot(query[i], vec4f(k[at + i])); }
    scores[s] = score;
    chunk.largest = max(chunk.largest, score);
  }
  for (var s = 0u; s < count; s++) {
    let at = (key_row(span, first + s) * params.kv_heads + kv_head) * D4;
    let p = exp(scores[s] - chunk.largest);
    chunk.total += p;
    // unroll
    for (var i = 0u; i < D4; i++) { chunk.values[i] += p * vec4f(v[at + i]); }
  }
  return chunk;
}

// What a softmax so far and one of the next chunk count for, each of these scales: the larger counts in full.
fn shares(largest: f32, chunk_largest: f32) -> vec2f {
  let raised = max(largest, chunk_largest);
  return vec2f(exp(largest - raised), exp(chunk_largest - raised));
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.tokens * params.heads) { return; }
  let seen = seen_keys(span_of(index / params.heads));
  var all = Softmax(LOWEST, 0.0, array<vec4f, D4>());
  for (var first = 0u; first < seen; first += CHUNK) {
    let chunk = over_chunk(index, first);
    let share = shares(all.largest, chunk.largest);
    all.largest = max(all.largest, chunk.largest);
    all.total = fma(all.total, share.x, chunk.total * share.y);
    // unroll
    for (var i = 0u; i < D4; i++) {
      all.values[i] = fma(all.values[i], vec4f(share.x), chunk.values[i] * share.y);
    }
  }
  // unroll
  for (var i = 0u; i < D4; i++) { o[index * D4 + i] = Stored(all.values[i] / all.total); }
  lse[index] = all.largest + ln(all.total);
}

@compute @workgroup_size(64)
fn forward_chunk(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let place = id.x + id.y * groups.x * 64u;
  let index = place / params.chunks;
  let first = place % params.chunks * CHUNK;
  if (index >= params.tokens * params.heads) { return; }
  if (first >= seen_keys(span_of(index / params.heads))) { return; }
  let chunk = over_chunk(index, first);
  let at = place * (D4 + 1u);
  // unroll
  for (var i = 0u; i < D4; i++) { partials[at + i] = chunk.values[i]; }
  partials[at + D4] = vec4f(chunk.largest, chunk.total, 0.0, 0.0);
}

// One invocation owns one vector of o.
@compute @workgroup_size(64)
fn forward_merge(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let vector = id.x + id.y * groups.x * 64u;
  let index = vector / D4;
  if (index >= params.tokens * params.heads) { return; }
  let chunks = (seen_keys(span_of(index / params.heads)) + CHUNK - 1u) / CHUNK;
  var largest = LOWEST;
  var total = 0.0;
  var values = vec4f();
  for (var chunk = 0u; chunk < chunks; chunk++) {
    let at = (index * params.chunks + chunk) * (D4 + 1u);
    let state = partials[at + D4];
    let share = shares(largest, state.x);
    largest = max(largest, state.x);
    total = fma(total, share.x, state.y * share.y);
    values = fma(values, vec4f(share.x), partials[at + vector % D4] * share.y);
  }
  o[vector] = Stored(values / total);
  if (vector % D4 == 0u) { lse[index] = largest + ln(total); }
}

@compute @workgroup_size(64)
fn backward_delta(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.tokens * params.heads) { return; }
  var sum = 0.0;
  for (var i = index * D4; i < (index + 1u) * D4; i++) { sum += dot(d_o[i], vec4f(o[i])); }
  softmax[index] = vec2f(lse[index], sum);
}

@compute @workgroup_size(64)
fn backward_query(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.tokens * params.heads) { return; }
  let kv_head = (index % params.heads) / (params.heads / params.kv_heads);
  let scale = inverseSqrt(f32(HEAD_DIM));
  var query: array<vec4f, D4>;
  var upstream: array<vec4f, D4>;
  var sum: array<vec4f, D4>;
  // unroll
  for (var i = 0u; i < D4; i++) {
    query[i] = vec4f(q[index * D4 + i]) * scale;
    upstream[i] = d_o[index * D4 + i];
  }
  let log_total = softmax[index].x;
  let mean = softmax[index].y;
  let span = span_of(index / params.heads);
  let seen = seen_keys(span);
  for (var s = 0u; s < seen; s++) {
    let at = (key_row(span, s) * params.kv_heads + kv_head) * D4;
    var score = 0.0;
    var dp = 0.0;
    // unroll
    for (var i = 0u; i < D4; i++) {
      score += dot(query[i], vec4f(k[at + i]));
      dp += dot(upstream[i], vec4f(v[at + i]));
    }
    let ds = exp(score - log_total) * (dp - mean);
    // unroll
    for (var i = 0u; i < D4; i++) { sum[i] += ds * vec4f(k[at + i]); }
  }
  // unroll
  for (var i = 0u; i < D4; i++) { dq[index * D4 + i] = sum[i] * scale; }
}

@compute @workgroup_size(64)
fn backward_key(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.tokens * params.kv_heads) { return; }
  let s = index / params.kv_heads;
  let heads_per_kv = params.heads / params.kv_heads;
  let first_head = (index % params.kv_heads) * heads_per_kv;
  let scale = inverseSqrt(f32(HEAD_DIM));
  var key: array<vec4f, D4>;
  var value: array<vec4f, D4>;
  var key_sum: array<vec4f, D4>;
  var value_sum: array<vec4f, D4>;
  // unroll
  for (var i = 0u; i < D4; i++) {
    key[i] = vec4f(k[index * D4 + i]) * scale;
    value[i] = vec4f(v[index * D4 + i]);
  }
  // Queries, and for each the heads that share this key: one loop, since SwiftShader is slow in nested ones.
  let end = last_query[s].x * heads_per_kv;
  for (var n = s * heads_per_kv; n < end; n++) {
    let row = n / heads_per_kv * params.heads + first_head + n % heads_per_kv;
    let at = row * D4;
    var score = 0.0;
    var dp = 0.0;
    // unroll
    for (var i = 0u; i < D4; i++) {
      score += dot(key[i], vec4f(q[at + i]));
      dp += dot(value[i], d_o[at + i]);
    }
    let p = select(0.0, exp(score - softmax[row].x), can_see(n / heads_per_kv, s));
    let ds = p * (dp - softmax[row].y);
    // unroll
    for (var i = 0u; i < D4; i++) {
      value_sum[i] += p * d_o[at + i];
      key_sum[i] += ds * vec4f(q[at + i]);
    }
  }
  // unroll
  for (var i = 0u; i < D4; i++) {
    dk[index * D4 + i] = key_sum[i] * scale;
    dv[index * D4 + i] = value_sum[i];
  }
}
