// The gradients of attention.wgsl (read that one and attention-tiled-backward.wgsl first: the same formulas,
// tensors and spans) by subgroup matrices, as attention-matrix.wgsl makes forward, for q, k and v in f16:
//
//   p = exp(q[t, h] . k[s] / sqrt(D) - lse),  ds = p * (do . v[s] - delta)
//
//   backward_delta   delta[t, h] = do[t, h] . o[t, h] beside lse in softmax[t, h], and the largest numbers after them
//   backward_query   dq[t, h] = sum over the s that t sees of ds k[s] / sqrt(D)
//   backward_key     dk[s] = sum over the queries that see s of ds q / sqrt(D),  dv[s] = sum of p do
//
// For q, do and dq [T, H, D], and k, v, dk and dv [T, KV, D]: learning has no cache. Called by
// beyond/kernels/attention-matrix.ts, one after the other, where beyond/kernels/variants.ts or tuning says "matrix". Read
// attention-matrix-pairs.wgsl second.
//
// Factors are f16, sums f32. What f16 has no room for gets it by powers of two, as f16-range.wgsl says:
//
//   do   that which brings A, the largest sum of |do| over a row, between 2^14 and 2^15. All rows with one
//        key-value head share it, since dk and dv are sums over them. do . v is then under 2^15 V, V being the
//        largest |v|, and so is delta, o being a mean of rows of v;
//   ds   of these, that which brings 2 V between 1/2 and 1: 11 bits down to 2^-27 of 2 A V, the most that it can be;
//   p    2^15: 11 bits down to 2^-29.
//
// Rows of zeros stay zeros. Where A or V is not finite, nothing is that is made with it. delta is that of the rounded
// do, so that the result is, but for the rounding of p and ds, the exact gradient of such a do. A softmax that has made
// up its mind takes the difference of two nearly equal numbers, and now both err alike: with scores of a hundred and
// more the gradients err by 2e-4 of their norm (emulated), where the delta of an unrounded do gives 2e-3.
//
// backward_query owns q and do and walks k and v, backward_key the other way round. In counts, for heads of 64; no time
// of this file has been taken on a GPU:
//
//   matrices          as in attention-matrix.wgsl, 4,096 multiply-adds an instruction: three products of TILE x BLOCK
//                     x D a block in backward_query, four in backward_key.
//   workgroup memory  a multiply-add reads 0.3 bytes of it, where attention-tiled-backward.wgsl reads 3.5 and 4.3. From
//                     buffers both load the same, 1/12 byte in backward_query and 3/32 in backward_key. 21 KiB; 27
//                     for heads of 128, with BLOCK 16, not 32.
//   shared powers     sums stay in matrices until all rows are walked: one exchange of 4 KiB for each output of a
//                     workgroup, where a power for each block would need one a block. One more pass over do and v
//                     finds them, that which delta needs anyway.
//
// Order: keys, or queries, are added as they are walked, by steps of K.

// include "math.wgsl"
// include "f16-range.wgsl"
// include "attention-queries.wgsl"
// include "attention-matrix-pairs.wgsl"

var<workgroup> largest_of: array<vec2u, THREADS>;
var<workgroup> walked_softmax: array<vec2f, BLOCK>;    // (lse, delta) of walked queries
var<workgroup> walked_token: array<u32, BLOCK>;

// For do, by the bits of the largest sum of |do| over a row, and for ds, by those of the largest |v|.
fn gradient_power(largest: u32) -> Power { return power_for(largest, 14 - exponent_of(largest)); }
fn weight_power(largest: u32) -> Power { return power_for(largest, -2 - exponent_of(largest)); }

// The bits of the largest numbers that backward_delta found in all rows with a key-value head.
fn largest_with(kv_head: u32) -> vec2u {
  let sharing = params.heads / params.kv_heads;
  let chunks = (params.tokens + THREADS - 1u) / THREADS;
  var largest = vec2u();
  for (var chunk = params.tokens; chunk < params.tokens + chunks; chunk++) {
    for (var head = kv_head * sharing; head < (kv_head + 1u) * sharing; head++) {
      largest = max(largest, bitcast<vec2u>(softmax[chunk * params.heads + head]));
    }
  }
  return largest;
}

// Invocation `index` has token `index` of the chunk group.x; group.y is the head.
@compute @workgroup_size(THREADS)
fn backward_delta(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let token = group.x * THREADS + index;
  let head = group.y;
  var largest = vec2u();
  if (token < params.tokens) {
    let row = token * params.heads + head;
    let value = (token * params.kv_heads + head / (params.heads / params.kv_heads)) * D4;
    var sum = 0.0;
    for (var i = 0u; i < D4; i++) {
      let gradient = d_o[row * D4 + i];
      sum += dot(abs(gradient), vec4f(1.0));
      largest = max(largest, vec2u(largest_bits(gradient), largest_bits(vec4f(v[value + i]))));
    }
    largest.x = max(largest.x, bitcast<u32>(sum));
    let power = gradient_power(largest.x);
    var delta = 0.0;
    for (var i = 0u; i < D4; i++) {
      delta += dot(through_f16(d_o[row * D4 + i] * power.into), vec4f(o[row * D4 + i]));
    }
    softmax[row] = vec2f(lse[row], delta * power.back);
  }
  largest_of[index] = largest;
  workgroupBarrier();
  if (index == 0u) {
    for (var i = 1u; i < THREADS; i++) { largest = max(largest, largest_of[i]); }
    softmax[(params.tokens + group.x) * params.heads + head] = bitcast<vec2f>(largest);
  }
}

@compute @workgroup_size(THREADS) @subgroup_size(SUBGROUP)
fn backward_query(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) index: u32, @builtin(subgroup_id) subgroup: u32,
) {
  let at = queries_of(group, groups);
  let scale = inverseSqrt(f32(HEAD_DIM));
  let largest = largest_with(at.kv_head);
  let gradients = gradient_power(largest.x);
  let differences = weight_power(largest.y);
  for (var i = index; i < TILE * D4; i += THREADS) {
    let row = query_row(at, i / D4);
    let to = i / D4 * STRIDE + i % D4;
    var query = vec4h();
    var gradient = vec4h();
    if (row != NOWHERE) {
      query = vec4h(q[row * D4 + i % D4]);
      gradient = vec4h(d_o[row * D4 + i % D4] * gradients.into);
    }
    own[to] = query;
    own[TILE * STRIDE + to] = gradient;
  }
  let row = index / SHARES;
  var saved = vec2f();
  if (query_row(at, row) != NOWHERE) { saved = softmax[query_row(at, row)] * vec2f(1.0, gradients.into); }
  var sums: Sums;
  var first = at.first;
  while (first < at.end) {
    let run = run_from(first, at.end);
    let sees = row_sees(at, row, first, run.end);
    for (var start = 0u; start < run.seen; start += BLOCK) {
      for (var i = index; i < BLOCK * D4; i += THREADS) {
        let to = i / D4 * STRIDE + i % D4;
        var key = vec4h();
        var value = vec4h();
        if (start + i / D4 < run.seen) {
          let vector = (key_row(run.span, start + i / D4) * params.kv_heads + at.kv_head) * D4 + i % D4;
          key = vec4h(k[vector]);
          value = vec4h(v[vector]);
        }
        walked[to] = key;
        walked[BLOCK * STRIDE + to] = value;
      }
      workgroupBarrier();
      multiply(subgroup);
      workgroupBarrier();
      for (var i = index % SHARES; i < BLOCK / 4u; i += SHARES) {
        var ds = vec4f();
        for (var j = 0u; j < 4u; j++) {
          let score = row * PRODUCTS + 4u * i + j;
          let p = exp(products[score] * scale - saved.x);
          let difference = products[TILE * PRODUCTS + score] - saved.y;
          ds[j] = select(0.0, p * difference * differences.into, start + 4u * i + j < sees);
        }
        weights[row * WEIGHTS + i] = vec4h(ds);
      }
      workgroupBarrier();
      add_block(&sums, 1u, subgroup);
      workgroupBarrier();
    }
    first = run.end;
  }
  put_sums(&sums, 0u, subgroup);
  for (var i = index; i < TILE * D4; i += THREADS) {
    let row = query_row(at, i / D4);
    if (row != NOWHERE) { dq[row * D4 + i % D4] = sum_vector(i) * (differences.back * scale) * gradients.back; }
  }
}

@compute @workgroup_size(THREADS) @subgroup_size(SUBGROUP)
fn backward_key(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32, @builtin(subgroup_id) subgroup: u32,
) {
  let scale = inverseSqrt(f32(HEAD_DIM));
  let heads = params.heads / params.kv_heads;
  let first = group.x * TILE;
  let kv_head = group.y;
  let largest = largest_with(kv_head);
  let gradients = gradient_power(largest.x);
  let differences = weight_power(largest.y);
  for (var i = index; i < TILE * D4; i += THREADS) {
    let s = first + i / D4;
    let to = i / D4 * STRIDE + i % D4;
    var key = vec4h();
    var value = vec4h();
    if (s < params.tokens) {
      key = vec4h(k[(s * params.kv_heads + kv_head) * D4 + i % D4]);
      value = vec4h(v[(s * params.kv_heads + kv_head) * D4 + i % D4]);
    }
    own[to] = key;
    own[TILE * STRIDE + to] = value;
  }
  var end = 0u;
  for (var s = first; s < min(first + TILE, params.tokens); s++) { end = max(end, last_query[s].x); }
  let row = index / SHARES;
  var sums: Sums;
  // Queries, and for each the heads that share these keys.
  for (var start = first * heads; start < end * heads; start += BLOCK) {
    for (var i = index; i < BLOCK * D4; i += THREADS) {
      let n = start + i / D4;
      let to = i / D4 * STRIDE + i % D4;
      var query = vec4h();
      var gradient = vec4h();
      if (n < end * heads) {
        let vector = (n / heads * params.heads + kv_head * heads + n % heads) * D4 + i % D4;
        query = vec4h(q[vector]);
        gradient = vec4h(d_o[vector] * gradients.into);
      }
      walked[to] = query;
      walked[BLOCK * STRIDE + to] = gradient;
    }
    for (var i = index; i < BLOCK; i += THREADS) {
      let token = (start + i) / heads;
      var saved = vec2f();
      if (token < end) { saved = softmax[token * params.heads + kv_head * heads + (start + i) % heads]; }
      walked_softmax[i] = saved * vec2f(1.0, gradients.into);
      walked_token[i] = token;
    }
    workgroupBarrier();
    multiply(subgroup);
    workgroupBarrier();
    for (var i = index % SHARES; i < BLOCK / 4u; i += SHARES) {
      var p = vec4f();
      var ds = vec4f();
      for (var j = 0u; j < 4u; j++) {
        let score = row * PRODUCTS + 4u * i + j;
        let saved = walked_softmax[4u * i + j];
        let token = walked_token[4u * i + j];
        p[j] = select(0.0, exp(products[score] * scale - saved.x), can_see(token, first + row));
        ds[j] = p[j] * (products[TILE * PRODUCTS + score] - saved.y) * differences.into;
      }
      weights[row * WEIGHTS + i] = vec4h(ds);
      weights[(TILE + row) * WEIGHTS + i] = vec4h(p * 0x1p15);
    }
    workgroupBarrier();
    add_block(&sums, 2u, subgroup);
    workgroupBarrier();
  }
  put_sums(&sums, 0u, subgroup);
  for (var i = index; i < TILE * D4; i += THREADS) {
    let s = first + i / D4;
    if (s < params.tokens) {
      let to = (s * params.kv_heads + kv_head) * D4 + i % D4;
      dk[to] = sum_vector(i) * (differences.back * scale) * gradients.back;
    }
  }
  put_sums(&sums, 1u, subgroup);
  for (var i = index; i < TILE * D4; i += THREADS) {
    let s = first + i / D4;
    if (s < params.tokens) {
      let to = (s * params.kv_heads + kv_head) * D4 + i % D4;
      dv[to] = sum_vector(i) * 0x1p-15 * gradients.back;
    }
  }
}
