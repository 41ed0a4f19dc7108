// y = r + x W^T, r being a residual [T, N] or a bias [N]. store.wgsl says what the function is for.

@group(0) @binding(4) var<storage, read> residual: array<Output>;   // [T, residual_stride]

fn result(at: u32, added: u32, product: Output) -> Output { return residual[added] + product; }
