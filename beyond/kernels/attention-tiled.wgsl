// The forward pass of attention.wgsl (read that one first: the same formulas, tensors and spans) for GPUs,
// where the invocations of a workgroup share what they load, by attention-tiled-blocks.wgsl (read it second):
//
//   forward          o[t, h] = softmax(q[t, h] . k / sqrt(D)) v  over the keys that t sees, and its lse
//   forward_chunk    the same of one chunk of keys, for attention.wgsl's forward_merge
//
// For q and o [T, H, D], k and v [rows, KV, D], lse [T, H]. Called by beyond/kernels/attention-tiled.ts where
// beyond/kernels/variants.ts or tuning says "tiled", and where it says "matrix" for f32.
//
// Latency: the values are loaded while the keys are multiplied, and the next keys while the values are added.
// Four barriers a block; the reuse of one buffer for keys and values needs two of them, so that maxima through
// subgroups would save none.
//
// Order: a query's keys are counted from the first it sees, its prefix before its own. Its softmax goes block
// by block, chunks of CHUNK keys begin anew and are merged in order, and every sum is one chain of fma. A query
// has the same bits whatever its tile, the rows in flight, and where its keys lie.

// include "math.wgsl"
// include "attention-tiled-blocks.wgsl"

var<workgroup> largest_of: array<f32, GROUP_X * TILE>;         // [GROUP_X][TILE]

// The softmax of the invocation's rows over some keys, not yet divided: sums of exp(score - largest).
struct Softmax {
  largest: array<f32, ROWS>,
  total: array<f32, ROWS>,
  values: Sums,
}

fn nothing_yet() -> Softmax {
  var none: Softmax;
  // unroll
  for (var i = 0u; i < ROWS; i++) { none.largest[i] = LOWEST; }
  return none;
}

// Adds the keys [from, to) of a run, block by block.
fn add_keys(
  state: ptr<function, Softmax>, run: Run, sees: ptr<function, array<u32, ROWS>>,
  start: u32, to: u32, kv_head: u32, lane: vec3u, index: u32,
) {
  let scale = inverseSqrt(f32(HEAD_DIM));
  var fetched = fetch_keys(run, start, kv_head, index);
  for (var s = start; s < to; s += BLOCK) {
    put(fetched, index);
    workgroupBarrier();
    fetched = fetch_values(run, s, kv_head, index);
    var score = products(lane);
    // unroll
    for (var i = 0u; i < ROWS; i++) {
      var largest = LOWEST;
      // unroll
      for (var j = 0u; j < COLUMNS; j++) {
        let is_seen = s + lane.x + j * GROUP_X < (*sees)[i];
        score[i * COLUMNS + j] = select(LOWEST, score[i * COLUMNS + j] * scale, is_seen);
        largest = max(largest, score[i * COLUMNS + j]);
      }
      largest_of[lane.x * TILE + lane.y + i * GROUP_Y] = largest;
    }
    workgroupBarrier();
    put(fetched, index);
    // unroll
    for (var i = 0u; i < ROWS; i++) {
      let row = lane.y + i * GROUP_Y;
      var raised = (*state).largest[i];
      for (var x = 0u; x < GROUP_X; x++) { raised = max(raised, largest_of[x * TILE + row]); }
      let shrink = exp((*state).largest[i] - raised);
      (*state).largest[i] = raised;
      (*state).total[i] *= shrink;
      // unroll
      for (var j = 0u; j < VECTORS; j++) { (*state).values[i * VECTORS + j] *= shrink; }
      // unroll
      for (var j = 0u; j < COLUMNS; j++) {
        let column = lane.x + j * GROUP_X;
        let p = select(0.0, exp(score[i * COLUMNS + j] - raised), s + column < (*sees)[i]);
        weights[column * WEIGHTS + row] = p;
      }
    }
    workgroupBarrier();
    fetched = fetch_keys(run, s + BLOCK, kv_head, index);
    for (var key = 0u; key < BLOCK; key++) {
      var p: array<f32, ROWS>;
      // unroll
      for (var i = 0u; i < ROWS; i++) {
        p[i] = weights[key * WEIGHTS + lane.y + i * GROUP_Y];
        (*state).total[i] += p[i];
      }
      // unroll
      for (var j = 0u; j < VECTORS; j++) {
        let value = vec4f(walked[key * STRIDE + lane.x + j * GROUP_X]);
        // unroll
        for (var i = 0u; i < ROWS; i++) {
          (*state).values[i * VECTORS + j] = fma(vec4f(p[i]), value, (*state).values[i * VECTORS + j]);
        }
      }
    }
    workgroupBarrier();
  }
}

// Joins the softmax over a chunk to that over the chunks before it.
fn merge(state: ptr<function, Softmax>, chunk: ptr<function, Softmax>) {
  // unroll
  for (var i = 0u; i < ROWS; i++) {
    let raised = max((*state).largest[i], (*chunk).largest[i]);
    let before = exp((*state).largest[i] - raised);
    let now = exp((*chunk).largest[i] - raised);
    (*state).largest[i] = raised;
    (*state).total[i] = fma((*state).total[i], before, (*chunk).total[i] * now);
    // unroll
    for (var j = 0u; j < VECTORS; j++) {
      let at = i * VECTORS + j;
      (*state).values[at] = fma((*state).values[at], vec4f(before), (*chunk).values[at] * now);
    }
  }
}

fn stage_queries(at: Queries, index: u32) {
  for (var i = index; i < TILE * D4; i += GROUP) {
    let row = query_row(at, i / D4);
    var vector = Stored();
    if (row != NOWHERE) { vector = q[row * D4 + i % D4]; }
    own[i / D4 * STRIDE + i % D4] = vector;
  }
}

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn forward(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) lane: vec3u, @builtin(local_invocation_index) index: u32,
) {
  let at = queries_of(group, groups);
  stage_queries(at, index);
  var state = nothing_yet();
  var first = at.first;
  while (first < at.end) {
    let run = run_from(first, at.end);
    var sees: array<u32, ROWS>;
    // unroll
    for (var i = 0u; i < ROWS; i++) { sees[i] = row_sees(at, lane.y + i * GROUP_Y, first, run.end); }
    for (var start = 0u; start < run.seen; start += CHUNK) {
      var chunk = nothing_yet();
      add_keys(&chunk, run, &sees, start, min(start + CHUNK, run.seen), at.kv_head, lane, index);
      merge(&state, &chunk);
    }
    first = run.end;
  }
  // unroll
  for (var i = 0u; i < ROWS; i++) {
    let row = query_row(at, lane.y + i * GROUP_Y);
    if (row != NOWHERE) {
      // unroll
      for (var j = 0u; j < VECTORS; j++) {
        o[row * D4 + lane.x + j * GROUP_X] = Stored(state.values[i * VECTORS + j] / state.total[i]);
      }
      if (lane.x == 0u) { lse[row] = state.largest[i] + ln(state.total[i]); }
    }
  }
}

// group.z is the chunk.
@compute @workgroup_size(GROUP_X, GROUP_Y)
fn forward_chunk(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) lane: vec3u, @builtin(local_invocation_index) index: u32,
) {
  let at = queries_of(group, groups);
  let start = group.z * CHUNK;
  stage_queries(at, index);
  var first = at.first;
  while (first < at.end) {
    let run = run_from(first, at.end);
    if (start < run.seen) {
      var sees: array<u32, ROWS>;
      // unroll
      for (var i = 0u; i < ROWS; i++) { sees[i] = row_sees(at, lane.y + i * GROUP_Y, first, run.end); }
      var chunk = nothing_yet();
      add_keys(&chunk, run, &sees, start, min(start + CHUNK, run.seen), at.kv_head, lane, index);
      // unroll
      for (var i = 0u; i < ROWS; i++) {
        let row = query_row(at, lane.y + i * GROUP_Y);
        if (row != NOWHERE && start < sees[i]) {
          let place = (row * params.chunks + group.z) * (D4 + 1u);
          // unroll
          for (var j = 0u; j < VECTORS; j++) {
            partials[place + lane.x + j * GROUP_X] = chunk.values[i * VECTORS + j];
          }
          if (lane.x == 0u) { partials[place + D4] = vec4f(chunk.largest[i], chunk.total[i], 0.0, 0.0); }
        }
      }
    }
    first = run.end;
  }
}
