import { existsSync } from "node:fs";
import { freemem } from "node:os";
import { resolve } from "node:path";
import { Random } from "./data/random.ts";
import { UserError } from "./errors.ts";
import { Gpu } from "./gpu/device.ts";
import { type Allocator, MemoryPlanner, type Tensor } from "./gpu/memory.ts";
import { type AdaptedModel, isAdapter, openAdapter, readAdapterConfig } from "./model/adapter.ts";
import { Prompter, type PromptSettings } from "./model/chat.ts";
import { Decoder } from "./model/decoder.ts";
import { openEmbeddedModel } from "./model/embedded.ts";
import { endTokens, type ModelFolder, openModelFolder } from "./model/folder.ts";
import { Sampler, SamplerMemory, type SamplerSizes } from "./model/generate.ts";
import { openGgufModel } from "./model/gguf/open.ts";
import { hubModel, isHubName } from "./model/hub.ts";
import { Learner, LearnerMemory } from "./model/learner.ts";
import { AdapterLayout, Adapters, initialAdapter, type LoraConfig } from "./model/lora.ts";
import { type AdamwSettings, Optimizer, OptimizerMemory } from "./model/optimizer.ts";
import { ParameterLayout, Parameters, type Weights } from "./model/parameters.ts";
import { readTensor, type StoredTensor, type TensorSource } from "./model/safetensors.ts";
import type { Slabs } from "./model/slabs.ts";
import { Tokenizer, type TokenizerFiles } from "./model/tokenizer.ts";
import { modelPath } from "./run.ts";
import { EMBEDDED } from "./settings.ts";

/**
 * Opens what `--model` names: the embedded model, a GGUF file, a Hugging Face folder, a run's newest checkpoint,
 * or, where there is no such folder, a model of the Hugging Face hub. A folder with a LoRA adapter opens
 * as its base model and the adapter.
 */
export async function openNamedModel(
  name: string,
  options: { weights?: boolean } = {},
): Promise<AdaptedModel> {
  if (name === EMBEDDED) return openEmbeddedModel(options);
  if (name.endsWith(".gguf")) return openGgufModel(name, options);
  if (!existsSync(name) && isHubName(name)) {
    return {
      ...(await openModelFolder(await hubModel(name, showDownload), options)),
      source: name,
    };
  }
  const path = modelPath(name);
  if (!isAdapter(path)) return openModelFolder(path, options);
  const { lora, base } = readAdapterConfig(path);
  const model = await openNamedModel(base, options);
  if (model.adapter) {
    throw new UserError(`${path} adapts ${base}, an adapter itself; merge that: rlexplore merge`);
  }
  return { ...model, adapter: await openAdapter(path, model.config, lora) };
}

/** On a terminal a line that counts up; elsewhere a line when a file is there. */
function showDownload(file: string, done: number, total: number): void {
  const end = done === total ? "\n" : "";
  if (process.stderr.isTTY) {
    const share = Math.floor((100 * done) / total);
    process.stderr.write(`\rdownloading ${file}: ${share}% of ${formatBytes(total)} ${end}`);
  } else if (end) process.stderr.write(`downloaded ${file}, ${formatBytes(total)}\n`);
}

/** Refuses a model that is an adapter where the model itself is to be trained. */
export function requireWhole(name: string, model: AdaptedModel): void {
  if (!model.adapter) return;
  throw new UserError(
    `${name} is an adapter; make it a model first: rlexplore merge ${name} --output-dir merged`,
  );
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
class PolicyMemory {
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

/** A language model on the GPU, with what a run needs to sample from it and to train it. */
export class Policy {
  readonly tokenizer: Tokenizer;
  readonly stopIds: ReadonlySet<number>;
  /** What passes through the model read: its parameters, with the adapters if there are any. */
  readonly weights: Weights;
  /** What the optimizer moves and checkpoints hold: the adapters, or else all parameters. */
  readonly trained: Slabs;
  private readonly decoder: Decoder;
  private readonly samplerOrNone: Sampler | undefined;
  private readonly learnerOrNone: Learner | undefined;
  private readonly optimizerOrNone: Optimizer | undefined;

  private constructor(
    readonly gpu: Gpu,
    readonly model: ModelFolder,
    private readonly memory: PolicyMemory,
    private readonly needs: PolicyNeeds,
  ) {
    this.tokenizer = tokenizerOf(model);
    this.stopIds = new Set(this.tokenizer.stopIds(endTokens(model)));
    const { weights, adapters } = memory;
    const { embedding, head, finalNorm, layers } = weights;
    const adapted = adapters && { adapters: adapters.adapters };
    this.weights = { embedding, head, finalNorm, layers, ...adapted };
    this.trained = adapters ?? weights;
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
    model: AdaptedModel,
    needs: PolicyNeeds,
    report: (plan: MemoryPlanner) => void = () => {},
  ): Promise<Policy> {
    const layout = new ParameterLayout(model.config, gpu);
    const { readEvery } = gpu.variants;
    const plan = new MemoryPlanner(gpu.bindingLimit, gpu.bufferLimit, gpu.alignment);
    const lora = needs.learning?.lora ?? model.adapter?.lora ?? null;
    new PolicyMemory(plan, layout, needs, readEvery, lora);
    requireRoom(plan, gpu);
    report(plan);
    const memory = new PolicyMemory(gpu, layout, needs, readEvery, lora);
    const policy = new Policy(gpu, model, memory, needs);
    if (model.tensors.size > 0) await policy.load(memory.weights, model.tensors);
    memory.reference?.copyFrom(gpu, memory.weights);
    if (memory.adapters) {
      if (model.adapter) await policy.load(memory.adapters, model.adapter.tensors);
      else drawAdapters(gpu, memory.adapters, needs.learning?.seed ?? 0);
    }
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
  get gradients(): Parameters | Adapters {
    return required(this.memory.gradients);
  }
  /**
   * The weights training started from, if the run has a KL penalty. With LoRA that is the model without
   * its adapters, which costs no memory.
   */
  get reference(): Weights | undefined {
    if (!this.needs.learning?.reference) return undefined;
    return this.memory.reference ?? this.memory.weights;
  }

  /** What a checkpoint says of the adapters that are trained; nothing in full fine-tuning. */
  get adapter(): { lora: LoraConfig; base: string } | undefined {
    const lora = this.needs.learning?.lora;
    if (!lora) return undefined;
    const { source } = this.model;
    return {
      lora,
      base: existsSync(source) ? resolve(source) : isHubName(source) ? source : EMBEDDED,
    };
  }

  /** Loads stored tensors into a set of parameters, one at a time. */
  async load(parameters: Slabs, tensors: Map<string, StoredTensor>, prefix = ""): Promise<void> {
    for (const name of parameters.layout.shapes.keys()) {
      parameters.set(this.gpu, name, await readTensor(tensors, prefix + name));
    }
  }

  /** What is trained, read back one tensor at a time, to be written to a file. */
  weightSources(): TensorSource[] {
    return this.sources(this.trained, "");
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

  private sources(parameters: Slabs, prefix: string): TensorSource[] {
    return Array.from(parameters.layout.shapes, ([name, shape]) => ({
      name: prefix + name,
      shape,
      data: () => parameters.get(this.gpu, name),
    }));
  }
}

function drawAdapters(gpu: Gpu, adapters: Adapters, seed: number): void {
  const random = new Random(seed);
  for (const [name, shape] of adapters.layout.shapes) {
    adapters.set(
      gpu,
      name,
      initialAdapter(name, shape, () => random.float()),
    );
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
