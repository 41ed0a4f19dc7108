/** SwiGLU (Shazeer 2020, arXiv 2002.05202) in float64: gateUp [T, 2 ff] holds gate g, then up u. */

export interface SwigluShape {
  T: number;
  ff: number;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** a = silu(g) u, with silu(g) = g sigmoid(g); a [T, ff] */
export function swigluForward(gateUp: Float64Array, { T, ff }: SwigluShape): Float64Array {
  const a = new Float64Array(T * ff);
  for (let t = 0; t < T; t++) {
    for (let i = 0; i < ff; i++) {
      const g = gateUp[t * 2 * ff + i];
      const u = gateUp[t * 2 * ff + ff + i];
      a[t * ff + i] = g * sigmoid(g) * u;
    }
  }
  return a;
}

/** dg = da u s (1 + g (1 - s)) with s = sigmoid(g);  du = da g s; the result is [T, 2 ff] */
export function swigluBackward(
  da: Float64Array,
  gateUp: Float64Array,
  { T, ff }: SwigluShape,
): Float64Array {
  const dGateUp = new Float64Array(T * 2 * ff);
  for (let t = 0; t < T; t++) {
    for (let i = 0; i < ff; i++) {
      const g = gateUp[t * 2 * ff + i];
      const u = gateUp[t * 2 * ff + ff + i];
      const s = sigmoid(g);
      dGateUp[t * 2 * ff + i] = da[t * ff + i] * u * s * (1 + g * (1 - s));
      dGateUp[t * 2 * ff + ff + i] = da[t * ff + i] * g * s;
    }
  }
  return dGateUp;
}
