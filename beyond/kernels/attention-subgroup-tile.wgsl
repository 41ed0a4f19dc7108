// What a workgroup of the attention of CPUs that play GPU has, and which keys its queries see: sizes, tiles
// and runs. Included by attention-subgroup.wgsl (forward) and attention-subgroup-backward.wgsl by
// beyond/kernels/attention-subgroup.ts, which chooses the sizes. A tile is LANES * ROWS queries on one key-value
// head, or as many keys of it.
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

enable subgroups;

// include "attention-tensors.wgsl"

const LANES: u32 = 4u;
const ROWS: u32 = 1u;      // of a lane, LANES apart
const SLICE: u32 = 4u;     // vectors of a head that are in registers at once
const SLICES: u32 = D4 / SLICE;
const QUADS: u32 = LANES / 4u;

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

// Tokens of a tile from `first` to before `end` whose keys begin at the same places, and the most that one of them sees.
struct Run {
  first: u32,
  end: u32,
  seen: u32,
  span: vec4u,
}

fn run_through(first: u32, last: u32) -> Run {
  let own = span_of(first);
  var run = Run(first, first + 1u, seen_keys(own), own);
  for (; run.end <= last; run.end++) {
    let span = span_of(run.end);
    if (any(span.xyz != run.span.xyz)) { break; }
    run.seen = max(run.seen, seen_keys(span));
  }
  return run;
}

// The vectors' start of the s-th key that a token of this span sees.
fn key_at(span: vec4u, s: u32, kv_head: u32) -> u32 {
  return (key_row(span, s) * params.kv_heads + kv_head) * D4;
}
