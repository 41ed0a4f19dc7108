import type { LoraModel } from "../lora/peft.ts";
import { formatPlan, type PolicyNeeds } from "../memory/memory-plan.ts";
import { fasterOnce } from "../platform/faster-software.ts";
import type { GpuBackend } from "../platform/runtime.ts";
import { type BaseDtype, baseFormats } from "../storage/base-formats.ts";
import type { Dtype } from "../storage/precision.ts";
import { type RunTuning, tuneFor } from "../tuning/tuning.ts";
import { type KernelChoice, OpenPolicy, openGpu } from "./policy.ts";

/** What of a command's settings decides on what, and in which form, a model is opened. */
export interface PolicySettings {
  gpu: string | null;
  gpuBackend: GpuBackend;
  kernels: KernelChoice;
  noTune: boolean;
  dtype: Dtype;
  baseDtype: BaseDtype;
}

/** What is said meanwhile. */
export interface Told {
  /** What the user ought to know. */
  note: (text: string) => void;
  /** The GPU, and the memory that the model takes of it; nothing is said where it is left out. */
  describe?: (text: string) => void;
}

/**
 * Opens the GPU that the settings name, and the model on it, with what `needs` asks for.
 * @param begun the configuration of the run that goes on
 * @throws UserError if the GPU cannot hold it, saying what would make it fit
 */
export async function openPolicy(
  settings: PolicySettings,
  model: LoraModel,
  needs: Pick<PolicyNeeds, "sampling" | "learning">,
  { note, describe = () => {} }: Told,
  begun?: RunTuning,
): Promise<OpenPolicy> {
  const gpu = await openGpu(settings.gpu, settings.kernels, settings.gpuBackend);
  describe(gpu.found.why);
  const faster = fasterOnce(gpu.found);
  if (faster) describe(faster);
  const formats = baseFormats(settings, model.tensors);
  const all = { ...needs, dtype: settings.dtype, formats };
  const tune = tuneFor(gpu, { ...settings, begun }, note);
  return OpenPolicy.open(gpu, model, all, (plan) => describe(formatPlan(plan)), tune);
}
