// The products of the backward pass, made as matmul-tiled.wgsl makes forward: that file, which is included, has the parameters, the tiles, the loads of x and W, and the order of adding.
//
//   backward_input    dx[T, K] = dy[T, N] W[N, K]
//   backward_weight   dW[N, K] += dy[T, N]^T x[T, K]
//
// Called by beyond/kernels/chosen-linear.ts where beyond/kernels/matmuls.ts says so.

// include "matmul-tiled.wgsl"

fn dy_block(row: u32, at: u32) -> mat4x4f {
  return mat4x4f(dy_at(row, at), dy_at(row + 1u, at), dy_at(row + 2u, at), dy_at(row + 3u, at));
}

// Steps over a contraction of `length`.
fn steps(length: u32) -> u32 { return (length + 4u * DEPTH - 1u) / (4u * DEPTH); }

// Rounds are as in forward_tile.

fn backward_input_tile(at: Place) -> Tile {
  var sum: Tile;
  let row = at.row + at.left_row;
  let vector = at.vector + at.right_vector;
  let count = steps(params.outputs);
  for (var step = 0u; step <= count; step++) {
    let l = dy_block(row, step * DEPTH + at.left_depth);
    let r = w_block(4u * (step * DEPTH + at.right_depth), vector);
    if (step > 0u) { multiply(&sum, (step - 1u) % 2u, at.lane); }
    stage(step % 2u, at, l, r);
    workgroupBarrier();
  }
  return sum;
}

fn backward_weight_tile(at: Place) -> Tile {
  var sum: Tile;
  let row = (at.row + at.left_row) / 4u;
  let vector = at.vector + at.right_vector;
  let count = steps(params.rows);
  for (var step = 0u; step <= count; step++) {
    let l = transpose(dy_block(4u * (step * DEPTH + at.left_depth), row));
    let r = x_block(4u * (step * DEPTH + at.right_depth), vector);
    if (step > 0u) { multiply(&sum, (step - 1u) % 2u, at.lane); }
    stage(step % 2u, at, l, r);
    workgroupBarrier();
  }
  return sum;
}

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn backward_input(invocation: Invocation) {
  let at = place(invocation);
  var tile = backward_input_tile(at);
  for (var i = 0u; i < OUTPUTS; i++) { store_input(output(at, i), tile[i]); }
}

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn backward_weight(invocation: Invocation) {
  let at = place(invocation);
  var tile = backward_weight_tile(at);
  for (var i = 0u; i < OUTPUTS; i++) { store_weight(output(at, i), tile[i]); }
}
