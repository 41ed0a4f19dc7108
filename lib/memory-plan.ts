import { freemem } from "node:os";
import { UserError } from "./errors.ts";
import type { Gpu } from "./gpu/device.ts";
import type { Allocator, MemoryPlanner, Tensor } from "./gpu/memory.ts";
import { LearnerMemory } from "./model/learner.ts";
import { AdapterLayout, Adapters, type LoraConfig } from "./model/lora.ts";
import { type AdamwSettings, OptimizerMemory } from "./model/optimizer.ts";
import { type ParameterLayout, Parameters } from "./model/parameters.ts";
import { SamplerMemory, type SamplerSizes } from "./model/sampler-memory.ts";

/** What a run will ask of the model; each part left out costs no memory. */
export interface PolicyNeeds {
  sampling?: Omit<SamplerSizes, "promptSlots" | "readEvery"> & {
    /** Completions of a question: rows that share a prompt. */
    samplesPerPrompt: number;
  };
  learning?: {
    microBatchTokens: number;
    optimizer: AdamwSettings;
    /** Whether the model as it was at the start is needed beside the one that is trained. */
    reference: boolean;
    gradientCheckpointing?: boolean;
    /** Adapters to train instead of the model, drawn from `seed`; null trains the model. */
    lora?: LoraConfig | null;
    seed?: number;
  };
}

/** Everything a policy allocates. Made twice: by a planner to count, by the GPU to have. */
export class PolicyMemory {
  readonly weights: Parameters;
  readonly adapters?: Adapters;
  readonly ropeTable: Tensor;
  readonly reference?: Parameters;
  readonly gradients?: Parameters | Adapters;
  readonly optimizer?: OptimizerMemory;
  readonly learner?: LearnerMemory;
  readonly sampler?: SamplerMemory;

  constructor(
    alloc: Allocator,
    layout: ParameterLayout,
    needs: PolicyNeeds,
    readEvery: number,
    lora: LoraConfig | null,
  ) {
    const { config } = layout;
    const { sampling, learning } = needs;
    const adapted = lora && new AdapterLayout(config, lora, alloc);
    const loraRank = lora?.rank ?? 0;
    this.weights = new Parameters(alloc, layout, "weights", "weights");
    if (adapted) this.adapters = new Adapters(alloc, adapted, "weights", "adapters");
    let positions = config.maxPositionEmbeddings;
    if (learning) {
      if (learning.reference && !adapted) {
        this.reference = new Parameters(alloc, layout, "weights", "reference weights");
      }
      this.gradients = adapted
        ? new Adapters(alloc, adapted, "gradients", "gradients")
        : new Parameters(alloc, layout, "gradients", "gradients");
      this.optimizer = new OptimizerMemory(alloc, adapted ?? layout);
      const { microBatchTokens, gradientCheckpointing } = learning;
      const options = { gradientCheckpointing, loraRank };
      this.learner = new LearnerMemory(alloc, config, microBatchTokens, options);
    }
    if (sampling) {
      const { rows, samplesPerPrompt, maxPromptTokens, maxNewTokens } = sampling;
      // One more than full groups need, so that a straggler does not keep the next group waiting.
      const promptSlots = Math.ceil(rows / Math.min(samplesPerPrompt, rows)) + 1;
      const sizes = { rows, promptSlots, maxPromptTokens, maxNewTokens, readEvery, loraRank };
      this.sampler = new SamplerMemory(alloc, config, sizes);
      positions = Math.max(positions, maxPromptTokens + maxNewTokens + readEvery);
    }
    this.ropeTable = alloc.allocate("buffers", "RoPE table", positions * config.headDim);
  }
}

const ADVICE: Record<string, string> = {
  activations: "lower --micro-batch-tokens or --sampling-batch-size",
  "KV cache": "lower --sampling-batch-size or --max-completion-length",
  buffers: "lower --sampling-batch-size",
};

/** Refuses a plan that the adapter cannot hold. WebGPU tells no GPU's free memory; a CPU's is known. */
export function requireRoom(plan: MemoryPlanner, gpu: Gpu): void {
  const { name, part, bytes } = plan.largest;
  const limit = Math.min(gpu.bindingLimit, gpu.bufferLimit);
  if (bytes > limit) {
    throw new UserError(
      `the ${part} need ${formatBytes(bytes)} in one piece (${name}), this adapter allows ${formatBytes(limit)}; ${ADVICE[part] ?? "choose a smaller --model"}`,
    );
  }
  if (gpu.isSoftware && plan.total > freemem()) {
    const [largest] = [...plan.bytes].sort((a, b) => b[1] - a[1])[0];
    throw new UserError(
      `this run needs ${formatBytes(plan.total)}, ${formatBytes(freemem())} are free; ${ADVICE[largest] ?? "choose a smaller --model"}`,
    );
  }
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB"];
  const power = Math.min(units.length, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(bytes < 1024 ** 2 ? 0 : 1)} ${units[power - 1]}`;
}

/** "weights 0.6 MiB, gradients 0.6 MiB, ...": the memory a run will take, by part. */
export function formatPlan(plan: MemoryPlanner): string {
  const parts = Array.from(plan.bytes, ([part, bytes]) => `${part} ${formatBytes(bytes)}`);
  return `memory ${formatBytes(plan.total)}: ${parts.join(", ")}`;
}
