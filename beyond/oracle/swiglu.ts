/** SwiGLU and GeGLU (Shazeer 2020, arXiv 2002.05202) in float64: gateUp [T, 2 ff] holds gate g, then up u. */

export interface SwigluShape {
  T: number;
  ff: number;
  /** silu by default. */
  activation?: "silu" | "gelu";
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Each activation with its derivative; gelu is that of `transformers`' gelu_pytorch_tanh. */
const ACTIVATIONS = {
  /** g s with s = sigmoid(g); s (1 + g (1 - s)) */
  silu: [(g: number) => g * sigmoid(g), (g: number) => sigmoid(g) * (1 + g * (1 - sigmoid(g)))],
  /** g (1 + t) / 2 with t = tanh(sqrt(2 / pi) (g + 0.044715 g^3)); (1 + t) / 2 + g (1 - t^2) / 2 times t's argument's slope */
  gelu: [
    (g: number) => (g * (1 + Math.tanh(tanhOf(g)))) / 2,
    (g: number) => {
      const t = Math.tanh(tanhOf(g));
      const slope = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * g ** 2);
      return (1 + t) / 2 + (g * (1 - t * t) * slope) / 2;
    },
  ],
} as const;
const tanhOf = (g: number) => Math.sqrt(2 / Math.PI) * (g + 0.044715 * g ** 3);

/** a = act(g) u; a [T, ff] */
export function swigluForward(
  gateUp: Float64Array,
  { T, ff, activation = "silu" }: SwigluShape,
): Float64Array {
  const [act] = ACTIVATIONS[activation];
  const a = new Float64Array(T * ff);
  for (let t = 0; t < T; t++) {
    for (let i = 0; i < ff; i++) {
      const g = gateUp[t * 2 * ff + i];
      const u = gateUp[t * 2 * ff + ff + i];
      a[t * ff + i] = act(g) * u;
    }
  }
  return a;
}

/** dg = da u act'(g);  du = da act(g); the result is [T, 2 ff] */
export function swigluBackward(
  da: Float64Array,
  gateUp: Float64Array,
  { T, ff, activation = "silu" }: SwigluShape,
): Float64Array {
  const [act, slope] = ACTIVATIONS[activation];
  const dGateUp = new Float64Array(T * 2 * ff);
  for (let t = 0; t < T; t++) {
    for (let i = 0; i < ff; i++) {
      const g = gateUp[t * 2 * ff + i];
      const u = gateUp[t * 2 * ff + ff + i];
      dGateUp[t * 2 * ff + i] = da[t * ff + i] * u * slope(g);
      dGateUp[t * 2 * ff + ff + i] = da[t * ff + i] * act(g);
    }
  }
  return dGateUp;
}
