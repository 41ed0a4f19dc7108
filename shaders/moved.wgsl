// Where rows of keys and values lie. A sampler may give a completion memory by blocks of 16 rows, as it grows, wherever
// one is free: `moved` has for each block how many rows further it lies than it would without, modulo 2^32. In
// learning, and where all of the cache is there from the start, that is 0. Included by attention-tensors.wgsl and rope.wgsl.

@group(0) @binding(14) var<storage, read> moved: array<u32>;               // [rows / 16]

fn where_lies(row: u32) -> u32 { return row + moved[row / 16u]; }
