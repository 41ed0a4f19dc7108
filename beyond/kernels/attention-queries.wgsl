// Which queries a workgroup of the attention of GPUs has, and which keys these see. Included by
// attention-tiled-blocks.wgsl and both attention-matrix files: there TILE is the rows, and MOST_TOKENS the tokens, that
// a workgroup has at most.

// include "attention-tensors.wgsl"

const NOWHERE: u32 = 0xffffffffu;

// The queries of a workgroup: heads [head, head + heads), all on kv_head, of tokens [first, end).
struct Queries {
  first: u32,
  end: u32,
  head: u32,
  heads: u32,
  kv_head: u32,
}

// From the last tokens to the first, since the last see most keys and take longest.
fn queries_of(group: vec3u, groups: vec3u) -> Queries {
  let sharing = params.heads / params.kv_heads;
  let parts = (sharing + TILE - 1u) / TILE;
  let part = group.y % parts;
  let tokens = max(1u, min(TILE / sharing, MOST_TOKENS));
  let first = (groups.x - 1u - group.x) * tokens;
  return Queries(
    first, min(first + tokens, params.tokens),
    group.y / parts * sharing + part * TILE, min(sharing - part * TILE, TILE), group.y / parts,
  );
}

// The row of q [T H] that is `row` of the tile, or NOWHERE.
fn query_row(at: Queries, row: u32) -> u32 {
  let token = at.first + row / at.heads;
  return select(NOWHERE, token * params.heads + at.head + row % at.heads, token < at.end);
}

// Tokens of a tile from `first` to `end` that see keys from the same places on; the last of them sees `seen`.
struct Run {
  end: u32,
  seen: u32,
  span: vec4u,
}

fn run_from(first: u32, end: u32) -> Run {
  let own = span_of(first);
  var run = Run(first + 1u, seen_keys(own), own);
  while (run.end < end) {
    let span = span_of(run.end);
    if (any(span.xyz != run.span.xyz)) { break; }
    run.seen = max(run.seen, seen_keys(span));
    run.end++;
  }
  return run;
}

// How many keys of a run a row of the tile sees.
fn row_sees(at: Queries, row: u32, first: u32, end: u32) -> u32 {
  let token = at.first + row / at.heads;
  if (token < first || token >= end) { return 0u; }
  return seen_keys(span_of(token));
}
