// The gradients of attention.wgsl (read that one first: the same formulas, tensors and spans) for GPUs, by
// attention-tiled-blocks.wgsl (read it second), from the (lse, delta) that attention.wgsl's backward_delta leaves:
//
//   p = exp(q[t, h] . k[s] / sqrt(D) - lse),  ds = p * (do . v[s] - delta)
//
//   backward_query   dq[t, h] = sum over the s that t sees of ds k[s] / sqrt(D)
//   backward_key     dk[s] = sum over the queries that see s of ds q / sqrt(D),  dv[s] = sum of p do
//
// For q, do and dq [T, H, D], and k, v, dk and dv [T, KV, D]: learning has no cache. Called by
// beyond/kernels/attention-tiled.ts where beyond/kernels/variants.ts or tuning says "tiled", and where it says "matrix" for f32.
// Every sum is one chain of fma, in the order in which the rows are walked.

// include "attention-tiled-blocks.wgsl"

var<workgroup> own_values: array<Stored, TILE * STRIDE>;       // v
var<workgroup> own_gradients: array<vec4f, TILE * STRIDE>;     // do
var<workgroup> walked_gradients: array<vec4f, BLOCK * STRIDE>; // do
var<workgroup> value_weights: array<f32, BLOCK * WEIGHTS>;     // p

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
  for (var s = first; s < min(first + TILE, params.tokens); s++) { end = max(end, last_query[s].x); }
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
        let p = select(0.0, exp(score[i * COLUMNS + j] * scale - saved.x), can_see(token, first + row));
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
