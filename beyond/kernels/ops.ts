import type { Commands } from "../../lib/gpu/commands.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import type { Constants } from "../../lib/model/ops/kernels.ts";
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

/**
 * The operations by the kernels of an adapter's variants; `given` takes the place of these. `model` says what a model's
 * norms and activation are, if not Llama's.
 */
export function makeOps(
  gpu: Adapter,
  headDim: number,
  given: Partial<Variants> = {},
  { activation, normOffset }: Partial<Pick<ModelConfig, "activation" | "normOffset">> = {},
): Ops {
  const variants = { ...gpu.variants, ...given };
  const everywhere: Constants = activation === "gelu" ? { GELU: 1 } : {};
  if (variants.isPlain) {
    return new Ops(new StorageKernels(gpu.commands, everywhere), headDim, { normOffset });
  }
  const kernels = new RowKernels(gpu.commands, variants, everywhere);
  return new Ops(kernels, headDim, {
    normOffset,
    linear: new ChosenLinear(kernels, variants),
    attention: attentionFamily(variants.attention).create(kernels, headDim, variants),
  });
}
