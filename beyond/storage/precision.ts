import { UserError } from "../../lib/errors.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import type { ElementBytes, Tensor } from "../../lib/gpu/memory.ts";

/**
 * What a run stores its weights, its activations and its KV cache in. Arithmetic, sums, gradients, the
 * residual stream, logits, AdamW's moments and the weights that it moves are float32 in both; products by subgroup
 * matrices, which f16 alone has, take their factors in f16.
 */
export const DTYPES = ["f32", "f16"] as const;
export type Dtype = (typeof DTYPES)[number];

export const elementBytes = (dtype: Dtype): ElementBytes => (dtype === "f16" ? 2 : 4);

export const dtypeOf = ({ elementBytes }: Tensor): Dtype => (elementBytes === 2 ? "f16" : "f32");

/** Whether shaders may read and write f16 in memory here. */
export const hasHalves = ({ device }: Gpu) => device.features.has("shader-f16");

/** @throws UserError if the adapter has no f16 */
export function requireDtype(gpu: Gpu, dtype: Dtype): void {
  if (dtype === "f32" || hasHalves(gpu)) return;
  throw new UserError(
    `${gpu.name} has no shader-f16, which --dtype f16 needs; use --dtype f32, or another adapter with --gpu`,
  );
}
