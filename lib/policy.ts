import { existsSync } from "node:fs";
import { freemem } from "node:os";
import { UserError } from "./errors.ts";
import { Gpu } from "./gpu/device.ts";
import { type Allocator, MemoryPlanner, type Tensor } from "./gpu/memory.ts";
import { Prompter, type PromptSettings } from "./model/chat.ts";
import { Decoder } from "./model/decoder.ts";
import { openEmbeddedModel } from "./model/embedded.ts";
import { endTokens, type ModelFolder, openModelFolder } from "./model/folder.ts";
import { Sampler, SamplerMemory, type SamplerSizes } from "./model/generate.ts";
import { openGgufModel } from "./model/gguf/open.ts";
import { hubModel, isHubName } from "./model/hub.ts";
import { Learner, LearnerMemory } from "./model/learner.ts";
import { type AdamwSettings, Optimizer, OptimizerMemory } from "./model/optimizer.ts";
import { ParameterLayout, Parameters } from "./model/parameters.ts";
import { readTensor, type StoredTensor, type TensorSource } from "./model/safetensors.ts";
import { Tokenizer, type TokenizerFiles } from "./model/tokenizer.ts";
import { modelPath } from "./run.ts";
import { EMBEDDED } from "./settings.ts";

/**
 * Opens what `--model` names: the embedded model, a GGUF file, a Hugging Face folder, a run's newest checkpoint,
 * or, where there is no such folder, a model of the Hugging Face hub.
 */
export async function openNamedModel(
  name: string,
  options: { weights?: boolean } = {},
): Promise<ModelFolder> {
  if (name === EMBEDDED) return openEmbeddedModel(options);
  if (name.endsWith(".gguf")) return openGgufModel(name, options);
  if (!existsSync(name) && isHubName(name)) {
    return {
      ...(await openModelFolder(await hubModel(name, showDownload), options)),
      source: name,
    };
  }
  return openModelFolder(modelPath(name), options);
}

/** On a terminal a line that counts up; elsewhere a line when a file is there. */
function showDownload(file: string, done: number, total: number): void {
  const end = done === total ? "\n" : "";
  if (process.stderr.isTTY) {
    const share = Math.floor((100 * done) / total);
    process.stderr.write(`\rdownloading ${file}: ${share}% of ${formatBytes(total)} ${end}`);
  } else if (end) process.stderr.write(`downloaded ${file}, ${formatBytes(total)}\n`);
}

export function tokenizerOf(model: ModelFolder): Tokenizer {
  return new Tokenizer(model.files as TokenizerFiles, model.source);
}

/** Turns questions into prompts for the model. What it does with one that has no chat template is noted. */
export function prompterOf(
  model: ModelFolder,
  settings: PromptSettings & { model: string },
  note: (text: string) => void,
): Prompter {
  const prompter = new Prompter(model, tokenizerOf(model), settings);
  if (!prompter.hasTemplate && settings.model !== EMBEDDED) {
    note(
      `${model.source} has no chat template: a prompt is ${JSON.stringify(prompter.text("..."))}`,
    );
  }
  return prompter;
}

/** What a run will ask of the model; each part left out costs no memory. */
export interface PolicyNeeds {
  sampling?: Omit<SamplerSizes, "promptSlots" | "readEvery"> & {
    /** Completions of a question: rows that share a prompt. */
    samplesPerPrompt: number;
  };
  learning?: { microBatchTokens: number; optimizer: AdamwSettings; reference: boolean };
}

/** Everything a policy allocates. Made twice: by a planner to count, by the GPU to have. */
class PolicyMemory {
  readonly weights: Parameters;
  readonly ropeTable: Tensor;
  readonly reference?: Parameters;
  readonly gradients?: Parameters;
  readonly optimizer?: OptimizerMemory;
  readonly learner?: LearnerMemory;
  readonly sampler?: SamplerMemory;

  constructor(alloc: Allocator, layout: ParameterLayout, needs: PolicyNeeds, readEvery: number) {
    const { config } = layout;
    const { sampling, learning } = needs;
    this.weights = new Parameters(alloc, layout, "weights", "weights");
    let positions = config.maxPositionEmbeddings;
    if (learning) {
      if (learning.reference) {
        this.reference = new Parameters(alloc, layout, "weights", "reference weights");
      }
      this.gradients = new Parameters(alloc, layout, "gradients", "gradients");
      this.optimizer = new OptimizerMemory(alloc, layout);
      this.learner = new LearnerMemory(alloc, config, learning.microBatchTokens);
    }
    if (sampling) {
      const { rows, samplesPerPrompt, maxPromptTokens, maxNewTokens } = sampling;
      // One more than full groups need, so that a straggler does not keep the next group waiting.
      const promptSlots = Math.ceil(rows / Math.min(samplesPerPrompt, rows)) + 1;
      const sizes = { rows, promptSlots, maxPromptTokens, maxNewTokens, readEvery };
      this.sampler = new SamplerMemory(alloc, config, sizes);
      positions = Math.max(positions, maxPromptTokens + maxNewTokens + readEvery);
    }
    this.ropeTable = alloc.allocate("buffers", "RoPE table", positions * config.headDim);
  }
}

/** A language model on the GPU, with what a run needs to sample from it and to train it. */
export class Policy {
  readonly tokenizer: Tokenizer;
  readonly stopIds: ReadonlySet<number>;
  readonly weights: Parameters;
  private readonly decoder: Decoder;
  private readonly samplerOrNone: Sampler | undefined;
  private readonly learnerOrNone: Learner | undefined;
  private readonly optimizerOrNone: Optimizer | undefined;

  private constructor(
    readonly gpu: Gpu,
    readonly model: ModelFolder,
    private readonly memory: PolicyMemory,
    needs: PolicyNeeds,
  ) {
    this.tokenizer = tokenizerOf(model);
    this.stopIds = new Set(this.tokenizer.stopIds(endTokens(model)));
    this.weights = memory.weights;
    this.decoder = new Decoder(gpu, model.config, memory.ropeTable);
    this.samplerOrNone = memory.sampler && new Sampler(gpu, this.decoder, memory.sampler);
    this.learnerOrNone = memory.learner && new Learner(gpu, this.decoder, memory.learner);
    this.optimizerOrNone =
      memory.optimizer &&
      needs.learning &&
      new Optimizer(gpu, this.decoder.ops, memory.optimizer, needs.learning.optimizer);
  }

  /**
   * Plans the memory, tells it to `report` part by part, allocates it, and loads the weights (if the
   * model has any: one opened without is filled by the caller).
   * @throws UserError if the adapter cannot hold the run, saying which setting to lower
   */
  static async open(
    gpu: Gpu,
    model: ModelFolder,
    needs: PolicyNeeds,
    report: (plan: MemoryPlanner) => void = () => {},
  ): Promise<Policy> {
    const layout = new ParameterLayout(model.config, gpu);
    const { readEvery } = gpu.variants;
    const plan = new MemoryPlanner(gpu.bindingLimit, gpu.bufferLimit, gpu.alignment);
    new PolicyMemory(plan, layout, needs, readEvery);
    requireRoom(plan, gpu);
    report(plan);
    const memory = new PolicyMemory(gpu, layout, needs, readEvery);
    const policy = new Policy(gpu, model, memory, needs);
    if (model.tensors.size > 0) await policy.load(memory.weights, model.tensors);
    await policy.settle();
    return policy;
  }

  get sampler(): Sampler {
    return required(this.samplerOrNone);
  }
  get learner(): Learner {
    return required(this.learnerOrNone);
  }
  get optimizer(): Optimizer {
    return required(this.optimizerOrNone);
  }
  get gradients(): Parameters {
    return required(this.memory.gradients);
  }
  /** The weights training started from, if the run has a KL penalty. */
  get reference(): Parameters | undefined {
    return this.memory.reference;
  }

  /** Loads stored tensors into a set of parameters, one at a time. */
  async load(
    parameters: Parameters,
    tensors: Map<string, StoredTensor>,
    prefix = "",
  ): Promise<void> {
    for (const name of parameters.layout.shapes.keys()) {
      parameters.set(this.gpu, name, await readTensor(tensors, prefix + name));
    }
  }

  /** The weights, read back one tensor at a time, to be written to a file. */
  weightSources(): TensorSource[] {
    return this.sources(this.weights, "");
  }

  /** Both moments of AdamW, likewise; `loadMoments` reads them back. */
  momentSources(): TensorSource[] {
    const { first, second } = this.optimizer.memory;
    return [...this.sources(first, "first."), ...this.sources(second, "second.")];
  }

  async loadMoments(tensors: Map<string, StoredTensor>): Promise<void> {
    await this.load(this.optimizer.memory.first, tensors, "first.");
    await this.load(this.optimizer.memory.second, tensors, "second.");
  }

  /** Waits for the GPU; throws what it has complained about. */
  async settle(): Promise<void> {
    await this.gpu.read(this.weights.finalNorm, new Float32Array(1));
  }

  private sources(parameters: Parameters, prefix: string): TensorSource[] {
    return Array.from(parameters.layout.shapes, ([name, shape]) => ({
      name: prefix + name,
      shape,
      data: () => parameters.get(this.gpu, name),
    }));
  }
}

function required<T>(part: T | undefined): T {
  if (part === undefined) throw new Error("the policy was opened without this part");
  return part;
}

const ADVICE: Record<string, string> = {
  activations: "lower --micro-batch-tokens or --sampling-batch-size",
  "KV cache": "lower --sampling-batch-size or --max-completion-length",
  buffers: "lower --sampling-batch-size",
};

/** Refuses a plan that the adapter cannot hold. WebGPU tells no GPU's free memory; a CPU's is known. */
function requireRoom(plan: MemoryPlanner, gpu: Gpu): void {
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

/** Opens the GPU that `--gpu` names. */
export const openGpu = (name: string | null): Promise<Gpu> => Gpu.open(name ?? undefined);
