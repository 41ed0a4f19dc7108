import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { LearnSettings } from "../../lib/learn.ts";
import type { Bridging } from "../cluster/bridge.ts";
import { isLora, type LoraModel, readLoraConfig } from "../lora/peft.ts";
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
  gpusPerNode?: number | null;
}

/** What may be known where a model is opened. */
export interface Opened {
  /** The configuration of the run that goes on. */
  begun?: RunTuning;
  /** How it learns, if it does. */
  learn?: LearnSettings & { microBatchTokens: number };
  /** The part of a cluster that it is to lie in, which goes before what the settings name. */
  lane?: Bridging;
}

/**
 * Opens a model on this machine's GPU, or on those of the cluster that the settings name.
 * @throws UserError as `openPolicy`, and where there is no such cluster
 */
export async function openAnywhere(
  settings: AnywhereSettings,
  model: LoraModel,
  needs: Pick<PolicyNeeds, "sampling" | "learning">,
  told: Told,
  { begun, learn, lane }: Opened,
): Promise<RunPolicy> {
  const { workers = null, gpusPerNode = null, stop } = settings;
  const ray = settings.ray || "none";
  if (!lane && ray === "none") return openPolicy(settings, model, needs, told, begun);
  const { ClusterPolicy } = await import("../cluster/cluster-policy.ts");
  const isHere = existsSync(settings.model);
  const name = isHere ? resolve(modelPath(settings.model)) : settings.model;
  const { gpu, gpuBackend, kernels, noTune, dtype, baseDtype } = settings;
  const asked = { gpu, gpuBackend, kernels, noTune, dtype, baseDtype };
  const { command, file } = startsAgain();
  const base = isHere ? adapted(name) : undefined;
  const files = {
    ...(file && { program: file }),
    ...(isHere && { model: name }),
    ...(base && { base }),
  };
  return ClusterPolicy.open(
    lane ? { ray, gpusPerNode, workers: 1 } : { ray, gpusPerNode, workers },
    model,
    { model: name, base, settings: asked, needs, learn, begun, stop },
    { command: [...command, "worker"], files, note: told.note },
    lane,
  );
}

/** The base of an adapter, if both lie on this machine. */
function adapted(path: string): string | undefined {
  if (!isLora(path)) return undefined;
  const { base } = readLoraConfig(path);
  return existsSync(base) ? resolve(modelPath(base)) : undefined;
}
