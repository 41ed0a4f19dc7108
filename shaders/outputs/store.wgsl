// y = scale x W^T.
//
// What every file of this folder has, for the shaders that make y = x W^T (linear.wgsl includes it):
//
//   result(at, added, product)   what y[at] becomes; `added` is its place in the residual

fn result(at: u32, added: u32, product: Output) -> Output { return params.scale * product; }
