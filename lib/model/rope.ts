import { z } from "zod";

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

const positive = z.number().positive();

/** `rope_scaling` of a config.json, or the newer `rope_parameters`, which holds theta too. */
export const ropeFields = z.strictObject({
  rope_theta: positive.nullish(),
  rope_type: z
    .enum(["default", "linear", "llama3"], {
      error: ({ input }) => `${input} is not supported; only linear and llama3 are`,
    })
    .nullish(),
  factor: positive.nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  original_max_position_embeddings: positive.nullish(),
});
type RopeFields = z.infer<typeof ropeFields>;

/** Reads the scaling; `fail` is told of a field that is missing. */
export function parseRopeScaling(
  given: RopeFields,
  fail: (why: string) => never,
): RopeScaling | null {
  const type = given.rope_type ?? "default";
  const need = (name: Exclude<keyof RopeFields, "rope_type">) =>
    given[name] ?? fail(`RoPE scaling of type ${type} needs ${name}`);
  if (type === "default") return null;
  if (type === "linear") return { type, factor: need("factor") };
  return {
    type,
    factor: need("factor"),
    lowFreqFactor: need("low_freq_factor"),
    highFreqFactor: need("high_freq_factor"),
    originalMaxPositionEmbeddings: need("original_max_position_embeddings"),
  };
}

/** The `rope_scaling` that `parseRopeScaling` reads back. */
export function toRopeFields(scaling: RopeScaling | null): RopeFields | null {
  if (scaling?.type !== "llama3") return scaling && { rope_type: "linear", factor: scaling.factor };
  return {
    rope_type: "llama3",
    factor: scaling.factor,
    low_freq_factor: scaling.lowFreqFactor,
    high_freq_factor: scaling.highFreqFactor,
    original_max_position_embeddings: scaling.originalMaxPositionEmbeddings,
  };
}

export interface RopeConfig {
  headDim: number;
  ropeTheta: number;
  ropeScaling: RopeScaling | null;
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

/**
 * (cos, sin) of position * f_j for the D / 2 pairs j of a head, [positions, D / 2, 2], in float64, with
 *
 *   f_j = theta^(-2 j / D)          without scaling,   f_j / factor   with `linear`;
 *   llama3 (Llama 3.1): f_j / factor where the wave 2 pi / f_j turns fewer than `low` times within the
 *   original context L, f_j where it turns more than `high` times, and in between a blend by the turns
 *   n = L f_j / (2 pi):  f_j ((1 - s) / factor + s)  with  s = (n - low) / (high - low).
 */
export function ropeTable(config: RopeConfig, positions: number): Float32Array {
  const { headDim, ropeTheta, ropeScaling } = config;
  const half = headDim / 2;
  const table = new Float32Array(positions * headDim);
  for (let j = 0; j < half; j++) {
    const frequency = scaleFrequency(ropeTheta ** ((-2 * j) / headDim), ropeScaling);
    for (let position = 0; position < positions; position++) {
      const at = (position * half + j) * 2;
      table[at] = Math.cos(position * frequency);
      table[at + 1] = Math.sin(position * frequency);
    }
  }
  return table;
}
