/** How RoPE's frequencies are stretched for contexts longer than the model was first trained on. */
export type RopeScaling =
  | { type: "linear"; factor: number }
  | {
      type: "llama3";
      factor: number;
      lowFreqFactor: number;
      highFreqFactor: number;
      originalMaxPositionEmbeddings: number;
    };

export interface RopeConfig {
  headDim: number;
  ropeTheta: number;
  ropeScaling: RopeScaling | null;
  /** What the scores of attention are divided by the root of, if not by that of `headDim`. */
  queryScalar?: number;
  /** Layers whose frequencies are not scaled, and begin elsewhere. */
  sliding?: { ropeTheta: number };
}

/** A frequency of RoPE after scaling. */
export function scaleFrequency(frequency: number, scaling: RopeScaling | null): number {
  if (scaling === null) return frequency;
  if (scaling.type === "linear") return frequency / scaling.factor;
  const { factor, lowFreqFactor: low, highFreqFactor: high } = scaling;
  const turns = (scaling.originalMaxPositionEmbeddings * frequency) / (2 * Math.PI);
  const kept = Math.min(1, Math.max(0, (turns - low) / (high - low)));
  return frequency * ((1 - kept) / factor + kept);
}

/** Elements of the tables for as many positions: one for all layers, or also one for those that slide. */
export const ropeTableLength = (
  { headDim, sliding }: Pick<RopeConfig, "headDim" | "sliding">,
  positions: number,
) => (sliding ? 2 : 1) * positions * headDim;

/** Both tables if there are two, for as many positions as `length` elements are for. */
export function ropeTables(config: RopeConfig, length: number): Float32Array {
  const { headDim, queryScalar, sliding } = config;
  const tables = new Float32Array(length);
  const positions = length / ropeTableLength(config, 1);
  tables.set(ropeTable(config, positions));
  if (sliding) {
    const local = { headDim, queryScalar, ...sliding, ropeScaling: null };
    tables.set(ropeTable(local, positions), positions * headDim);
  }
  return tables;
}

/**
 * (cos, sin) of position * f_j for the D / 2 pairs j of a head, [positions, D / 2, 2], in float64, with
 *
 *   f_j = theta^(-2 j / D)          without scaling,   f_j / factor   with `linear`;
 *   llama3 (Llama 3.1): f_j / factor where the wave 2 pi / f_j turns fewer than `low` times within the
 *   original context L, f_j where it turns more than `high` times, and in between a blend by the turns
 *   n = L f_j / (2 pi):  f_j ((1 - s) / factor + s)  with  s = (n - low) / (high - low).
 *
 * All of it times (D / queryScalar)^(1/4), for q and for k, so that q . k / sqrt(D) is the score as the model means it.
 */
export function ropeTable(config: RopeConfig, positions: number): Float32Array {
  const { headDim, ropeTheta, ropeScaling, queryScalar = headDim } = config;
  const half = headDim / 2;
  const size = (headDim / queryScalar) ** 0.25;
  const table = new Float32Array(positions * headDim);
  for (let j = 0; j < half; j++) {
    const frequency = scaleFrequency(ropeTheta ** ((-2 * j) / headDim), ropeScaling);
    for (let position = 0; position < positions; position++) {
      const at = (position * half + j) * 2;
      table[at] = size * Math.cos(position * frequency);
      table[at + 1] = size * Math.sin(position * frequency);
    }
  }
  return table;
}
