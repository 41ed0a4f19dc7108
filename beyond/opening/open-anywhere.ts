import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { LearnSettings } from "../../lib/learn.ts";
import type { LoraModel } from "../lora/peft.ts";
import type { PolicyNeeds } from "../memory/memory-plan.ts";
import { modelPath } from "../runs/folder.ts";
import { startsAgain } from "../terminal/program.ts";
import type { RunTuning } from "../tuning/tuning.ts";
import { openPolicy, type PolicySettings, type Told } from "./open-policy.ts";
import type { RunPolicy } from "./run-policy.ts";

export interface AnywhereSettings extends PolicySettings {
  model: string;
  stop: readonly string[];
  /** The address of a Ray cluster; nothing or `none` for this machine's GPU. */
  ray?: string | null;
  workers?: number | null;
}

/**
 * Opens a model on this machine's GPU, or on those of the cluster that the settings name.
 * @param learn how it learns, if it does
 * @throws UserError as `openPolicy`, and where there is no such cluster
 */
export async function openAnywhere(
  settings: AnywhereSettings,
  model: LoraModel,
  needs: Pick<PolicyNeeds, "sampling" | "learning">,
  told: Told,
  { begun, learn }: { begun?: RunTuning; learn?: LearnSettings & { microBatchTokens: number } },
): Promise<RunPolicy> {
  const { ray, workers = null, stop } = settings;
  if (!ray || ray === "none") return openPolicy(settings, model, needs, told, begun);
  const { ClusterPolicy } = await import("../cluster/cluster-policy.ts");
  const isHere = existsSync(settings.model);
  const name = isHere ? resolve(modelPath(settings.model)) : settings.model;
  const { gpu, gpuBackend, kernels, noTune, dtype, baseDtype } = settings;
  const asked = { gpu, gpuBackend, kernels, noTune, dtype, baseDtype };
  const { command, file } = startsAgain();
  return ClusterPolicy.open(
    { ray, workers },
    model,
    { model: name, settings: asked, needs, learn, begun, stop },
    {
      command: [...command, "worker"],
      program: file,
      model: isHere ? name : null,
      note: told.note,
    },
  );
}
