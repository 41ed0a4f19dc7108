// The first half of split attention in decoding (read attention.wgsl first: the same formulas, tensors, spans and
// order) for CPUs that play GPU, where a subgroup is one vector register and a load is one move for each of its lanes:
//
//   forward_chunk    the softmax of one chunk of keys, left in partials[t, h, chunk] for attention.wgsl's forward_merge
//
// In decoding the queries that see one key are few: the heads of one token that share a key-value head. So a workgroup,
// which is a subgroup of LANES, has HEADS of these and some chunks, one after the other. It loads every key and value once for all of them:
// of the scores a lane has those of every LANES-th key, of the sums every LANES-th vector of the head; what a lane
// needs of the others they hand round by subgroupBroadcast. A key's weight is handed round in the keys' order, so that
// the sums are added up in the order in which one invocation alone adds them.
// Called by beyond/kernels/attention-subgroup.ts.

enable subgroups;

// include "attention-tensors.wgsl"

const LANES: u32 = 4u;
const HEADS: u32 = 1u;                               // of a workgroup; they share a key-value head
const ROUNDS: u32 = CHUNK / LANES;                   // in which the lanes take a key each
const FEW: u32 = 4u;                                 // vectors of a key that are; divides those of a head
const FEWS: u32 = D4 / FEW;
const QUAD: u32 = 4u;                                // values that are loaded one after the other
const TURNS: u32 = LANES / QUAD;
const VECTORS: u32 = 4u;                             // of a head that a lane sums, LANES apart, or more

// A count that compilers do not see: a loop of few rounds they write out, and take several times as long over it.
fn unseen(count: u32) -> u32 { return min(count, params.tokens * count); }

@compute @workgroup_size(LANES)
fn forward_chunk(
  @builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let first_row = workgroup.x * HEADS;         // of q [T H]
  if (first_row >= params.tokens * params.heads) { return; }
  let span = span_of(first_row / params.heads);
  let seen = seen_keys(span);
  let kv_head = first_row % params.heads / (params.heads / params.kv_heads);

  let scale = inverseSqrt(f32(HEAD_DIM));
  var query: array<vec4f, HEADS * FEWS>;       // every FEW-th vector
  // unroll
  for (var h = 0u; h < HEADS; h++) {
    // unroll
    for (var n = 0u; n < FEWS; n++) {
      query[h * FEWS + n] = vec4f(q[(first_row + h) * D4 + n * FEW + lane % FEW]) * scale;
    }
  }

  for (var chunk = workgroup.y; chunk * CHUNK < seen; chunk += groups.y) {
    let first = chunk * CHUNK;
    let count = min(CHUNK, seen - first);
    var at: array<u32, ROUNDS>;                  // where a lane's keys begin
    var weights: array<f32, HEADS * ROUNDS>;     // of a lane's keys: scores, then exp(score - largest)
    var largest = array<f32, HEADS>();
    // unroll
    for (var h = 0u; h < HEADS; h++) { largest[h] = LOWEST; }
    let rounds = (count + LANES - 1u) / LANES;
    for (var round = 0u; round < rounds; round++) {
      let s = round * LANES + lane;
      let key_at = (key_row(span, first + min(s, count - 1u)) * params.kv_heads + kv_head) * D4;
      at[round] = key_at;
      var score = array<f32, HEADS>();
      for (var n = 0u; n < unseen(FEWS); n++) {
        var its = array<vec4f, HEADS>();
        // unroll
        for (var h = 0u; h < HEADS; h++) {
          // unroll
          for (var m = 0u; m < FEWS; m++) { its[h] = select(its[h], query[h * FEWS + m], m == n); }
        }
        // unroll
        for (var j = 0u; j < FEW; j++) {
          let key = vec4f(k[key_at + n * FEW + j]);
          // unroll
          for (var h = 0u; h < HEADS; h++) { score[h] += dot(subgroupBroadcast(its[h], j), key); }
        }
      }
      // unroll
      for (var h = 0u; h < HEADS; h++) {
        let its = select(LOWEST, score[h], s < count);
        weights[h * ROUNDS + round] = its;
        largest[h] = max(largest[h], its);
      }
    }
    // unroll
    for (var h = 0u; h < HEADS; h++) { largest[h] = subgroupMax(largest[h]); }

    var total = array<f32, HEADS>();
    for (var round = 0u; round < rounds; round++) {
      // unroll
      for (var h = 0u; h < HEADS; h++) {
        let p = exp(weights[h * ROUNDS + round] - largest[h]);
        weights[h * ROUNDS + round] = p;
        // unroll
        for (var j = 0u; j < LANES; j++) { total[h] += subgroupBroadcast(p, j); }
      }
    }

    for (var n = 0u; n < unseen(VECTORS); n++) {
      let vector = n * LANES + lane;
      var sum = array<vec4f, HEADS>();
      for (var round = 0u; round < rounds; round++) {
        var key_at = at[round];
        var p: array<f32, HEADS>;
        // unroll
        for (var h = 0u; h < HEADS; h++) { p[h] = weights[h * ROUNDS + round]; }
        for (var turn = 0u; turn < unseen(TURNS); turn++) {
          // unroll
          for (var j = 0u; j < QUAD; j++) {
            let value = vec4f(v[subgroupBroadcast(key_at, j) + min(vector, D4 - 1u)]);
            // unroll
            for (var h = 0u; h < HEADS; h++) { sum[h] += subgroupBroadcast(p[h], j) * value; }
          }
          key_at = subgroupShuffle(key_at, (lane + QUAD) % LANES);
          // unroll
          for (var h = 0u; h < HEADS; h++) { p[h] = subgroupShuffle(p[h], (lane + QUAD) % LANES); }
        }
      }
      // unroll
      for (var h = 0u; h < HEADS; h++) {
        let place = ((first_row + h) * params.chunks + chunk) * (D4 + 1u);
        if (vector < D4) { partials[place + vector] = sum[h]; }
        if (vector == 0u) { partials[place + D4] = vec4f(largest[h], total[h], 0.0, 0.0); }
      }
    }
  }
}
