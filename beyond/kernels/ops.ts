import type { Commands } from "../../lib/gpu/commands.ts";
import { Ops } from "../../lib/model/ops.ts";
import { StorageKernels } from "../storage/storage-kernels.ts";
import { attentionFamily } from "./attention-families.ts";
import { ChosenLinear } from "./chosen-linear.ts";
import { RowKernels } from "./row-kernels.ts";
import type { Variants } from "./variants.ts";

interface Adapter {
  readonly commands: Pick<Commands, "kernel" | "dispatch">;
  readonly variants: Variants;
}

/** The operations by the kernels of an adapter's variants; `given` takes the place of these. */
export function makeOps(gpu: Adapter, headDim: number, given: Partial<Variants> = {}): Ops {
  const variants = { ...gpu.variants, ...given };
  if (variants.isPlain) return new Ops(new StorageKernels(gpu.commands), headDim);
  const kernels = new RowKernels(gpu.commands, variants);
  return new Ops(kernels, headDim, {
    linear: new ChosenLinear(kernels, variants),
    attention: attentionFamily(variants.attention).create(kernels, headDim, variants),
  });
}
