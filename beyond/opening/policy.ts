import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { UserError } from "../../lib/errors.ts";
import type { MemoryPlanner } from "../../lib/gpu/memory.ts";
import { type Learner, PolicyGradient } from "../../lib/learn.ts";
import { Decoder } from "../../lib/model/decoder.ts";
import { Sampler } from "../../lib/model/generate.ts";
import { Optimizer } from "../../lib/model/optimizer.ts";
import type { WeightGradients, Weights } from "../../lib/model/parameters.ts";
import type { Slabs } from "../../lib/model/slabs.ts";
import { TrainingPass } from "../../lib/model/training-pass.ts";
import type { Policy } from "../../lib/policy.ts";
import { Random } from "../../lib/random.ts";
import { ShardedGradient } from "../cluster/shards.ts";
import { isHubName } from "../hub/hub.ts";
import { attentionChoice } from "../kernels/attention-choice.ts";
import { makeOps } from "../kernels/ops.ts";
import { patienceOn, type TuningTable } from "../kernels/variants.ts";
import { LoraDelta } from "../lora/delta.ts";
import { initialLora, type LoraConfig, type LoraWeights } from "../lora/lora.ts";
import type { LoraModel } from "../lora/peft.ts";
import { PolicyMemory, type PolicyNeeds, planMemory } from "../memory/memory-plan.ts";
import { requireRoom } from "../memory/savings.ts";
import { endTokens } from "../models/end-tokens.ts";
import type { ModelFolder } from "../models/folder.ts";
import {
  type AnyTensorSource,
  type StoredTensor,
  type TensorSource,
  tensorSources,
} from "../models/safetensors.ts";
import type { Tokenizer } from "../models/tokenizer.ts";
import { SystemGpu } from "../platform/gpu.ts";
import type { GpuBackend } from "../platform/runtime.ts";
import type { PipelinedMemory } from "../scheduling/pipelined-memory.ts";
import { PipelinedSampler } from "../scheduling/pipelined-sampler.ts";
import { profileTable, requestedProfile } from "../scheduling/profile.ts";
import { EMBEDDED } from "../settings/shared.ts";
import { EarlierCompletions } from "../speculation/earlier-completions.ts";
import { MostTokensASecond } from "../speculation/pass-times.ts";
import { SpeculativeSampler } from "../speculation/speculative-sampler.ts";
import { requireDtype } from "../storage/precision.ts";
import { readPacked, type WeightFormat } from "../storage/weight-formats.ts";
import { type KernelShapes, kernelShapes } from "../tuning/kernel-shapes.ts";
import { tokenizerOf } from "./named-model.ts";
import type { RunAdapter, RunPolicy } from "./run-policy.ts";

/** Settles which kernels are for these shapes, before anything is allocated. */
export type Tune = (shapes: KernelShapes) => Promise<TuningTable>;

/** A model opened on a GPU: what a run needs to sample from it, to train it, to load and to save it. */
export class OpenPolicy implements Policy, RunPolicy {
  readonly tokenizer: Tokenizer;
  readonly stopIds: ReadonlySet<number>;
  /** What passes through the model read: its parameters, with LoRA's delta if there is one. */
  readonly weights: Weights;
  /** What the optimizer moves and checkpoints hold: what LoRA adds, or else all parameters. */
  readonly trained: Slabs;
  private readonly adaptedReference: Weights | undefined;
  private readonly decoder: Decoder;
  private readonly samplerOrNone: Sampler | undefined;
  private readonly trainingPassOrNone: TrainingPass | undefined;
  private readonly optimizerOrNone: Optimizer | undefined;

  private constructor(
    readonly gpu: SystemGpu,
    readonly model: ModelFolder,
    private readonly memory: PolicyMemory,
    private readonly needs: PolicyNeeds,
    { attention }: KernelShapes,
    /** What makes each matrix product, and how attention is computed. */
    readonly tuning: TuningTable,
  ) {
    this.tokenizer = tokenizerOf(model);
    this.stopIds = new Set(endTokens(model, this.tokenizer).ids);
    const { config } = model;
    const variants = {
      tuned: tuning,
      patience: patienceOn(gpu.found.name),
      ...attentionChoice({ ...gpu.variants, tuned: tuning }, attention),
    };
    const ops = makeOps(gpu, config.headDim, variants, config);
    this.decoder = new Decoder(gpu, config, memory.ropeTable, ops);
    const { weights, rounded, lora } = memory;
    const { embedding, head, finalNorm, layers } = rounded ?? weights;
    const delta = lora && new LoraDelta(ops, lora.weights, lora.scratch, lora.gradients);
    this.weights = { embedding, head, finalNorm, layers, delta };
    this.trained = lora?.weights ?? weights;
    if (lora?.reference) {
      const start = new LoraDelta(ops, lora.reference, lora.scratch);
      this.adaptedReference = { ...this.weights, delta: start };
    }
    this.samplerOrNone = memory.sampler && openSampler(gpu, this.decoder, memory.sampler, needs);
    this.trainingPassOrNone =
      memory.training && new TrainingPass(gpu, this.decoder, memory.training);
    this.optimizerOrNone =
      memory.optimizer &&
      needs.learning &&
      new Optimizer(gpu, ops, memory.optimizer, needs.learning.optimizer);
  }

  /**
   * Plans the memory, tells it to `report` part by part, asks `tune` which kernels to use,
   * allocates the memory, and loads the weights (if the model has any: one opened without is filled by
   * the caller).
   * @throws UserError if the adapter cannot hold the run, saying what would make it fit
   */
  static async open(
    gpu: SystemGpu,
    model: LoraModel,
    asked: PolicyNeeds,
    report: (plan: MemoryPlanner) => void = () => {},
    tune: Tune = async () => ({}),
  ): Promise<OpenPolicy> {
    const isAdapter = model.lora !== undefined;
    const lora = asked.learning?.lora ?? model.lora?.config ?? null;
    const learning = asked.learning && { ...asked.learning, lora, isAdapter };
    const needs = learning ? { ...asked, learning } : asked;
    requireDtype(gpu, needs.dtype ?? "f32");
    const plan = planMemory(model.config, gpu, needs, lora);
    requireRoom(plan, gpu, model.config, needs, lora);
    report(plan);
    const shapes = kernelShapes(model.config, gpu, needs, lora);
    const tuning = await tune(shapes);
    const memory = new PolicyMemory(gpu, model.config, needs, gpu.variants, lora);
    const policy = new OpenPolicy(gpu, model, memory, needs, shapes, tuning);
    if (model.tensors.size > 0) await policy.load(memory.weights, model.tensors);
    if (memory.reference) {
      if (memory.rounded) await policy.load(memory.reference, model.tensors);
      else memory.reference.copyFrom(gpu, memory.weights);
    }
    if (memory.lora) {
      if (model.lora) {
        await policy.load(memory.lora.weights, model.lora.tensors);
        memory.lora.reference?.copyFrom(gpu, memory.lora.weights);
      } else drawLora(gpu, memory.lora.weights, needs.learning?.seed ?? 0);
    }
    await policy.settle();
    return policy;
  }

  get adapter(): RunAdapter {
    return this.gpu.found;
  }
  get sampler(): Sampler {
    return required(this.samplerOrNone);
  }
  get trainingPass(): TrainingPass {
    return required(this.trainingPassOrNone);
  }
  get optimizer(): Optimizer {
    return required(this.optimizerOrNone);
  }
  get gradients(): Slabs & WeightGradients {
    return required(this.memory.gradients);
  }
  /**
   * The weights training started from, if the run has a KL penalty. With a new LoRA that is the model without
   * it, which costs no memory.
   */
  get reference(): Weights | undefined {
    if (!this.needs.learning?.reference) return undefined;
    return this.adaptedReference ?? this.memory.reference ?? this.memory.weights;
  }

  /** What a checkpoint says of the LoRA that is trained; nothing in full fine-tuning. */
  get lora(): { config: LoraConfig; base: string } | undefined {
    return loraBase(this.model, this.needs.learning?.lora);
  }

  /** Loads stored tensors into a set of parameters, one at a time. */
  async load(parameters: Slabs, tensors: Map<string, StoredTensor>): Promise<void> {
    for (const name of parameters.layout.shapes.keys()) {
      const format = parameters.layout.format(name) as WeightFormat;
      parameters.set(this.gpu, name, await readPacked(tensors, name, format));
    }
    if (parameters === this.memory.weights) this.refresh();
  }

  /** Lets the model see weights that something else than the optimizer has changed. */
  refresh(): void {
    this.memory.rounded?.refresh(this.decoder.ops);
  }

  /** What is trained, read back one tensor at a time, to be written to a file. */
  weightSources(): TensorSource[] {
    return tensorSources(this.gpu, this.trained);
  }

  /** Both moments of AdamW, likewise; `loadMoments` reads them back. */
  momentSources(): AnyTensorSource[] {
    return required(this.memory.moments).sources(this.gpu);
  }

  async sources() {
    return { weights: this.weightSources(), moments: this.momentSources() };
  }

  async loadMoments(tensors: Map<string, StoredTensor>): Promise<void> {
    await required(this.memory.moments).load(this.gpu, tensors);
  }

  /** After a pass over `predictions` of them: how many targets no other token was likelier than. */
  async likeliestTargets(predictions: number): Promise<number> {
    const state = new Float32Array(predictions * 4);
    await this.gpu.read(required(this.memory.training).head.state, state);
    let hits = 0;
    // of each row the largest logit and the target's: shaders/logprob.wgsl
    for (let m = 0; m < predictions; m++) if (state[4 * m + 3] >= state[4 * m]) hits++;
    return hits;
  }

  async restore(weights: Map<string, StoredTensor>, moments: Map<string, StoredTensor>) {
    await this.load(this.trained, weights);
    await this.loadMoments(moments);
  }

  learner(settings: Parameters<RunPolicy["learner"]>[0]): Learner {
    const whole = new PolicyGradient(this, settings.microBatchTokens, settings);
    const { gradientShards, gradientDtype } = settings;
    if (gradientShards === 1 && gradientDtype === "f32") return whole;
    return new ShardedGradient(whole, this, gradientShards, gradientDtype);
  }

  close(): Promise<void> {
    return closeGpu(this.gpu);
  }

  /** Waits for the GPU; throws what it has complained about. */
  async settle(): Promise<void> {
    await this.gpu.read(this.weights.finalNorm, new Float32Array(1));
  }
}

/** What a checkpoint says of a LoRA that is trained beside this model. */
export function loraBase({ source }: ModelFolder, config?: LoraConfig | null): RunPolicy["lora"] {
  if (!config) return undefined;
  const base = existsSync(source) ? resolve(source) : isHubName(source) ? source : EMBEDDED;
  return { config, base };
}

function drawLora(gpu: SystemGpu, weights: LoraWeights, seed: number): void {
  const random = new Random(seed);
  for (const [name, shape] of weights.layout.shapes) {
    const values = initialLora(name, shape, () => random.float());
    weights.set(gpu, name, values);
  }
}

/** The sampler for the GPU's command stream: plain beside a plain one. */
function openSampler(
  gpu: SystemGpu,
  decoder: Decoder,
  memory: PipelinedMemory,
  { sampling }: PolicyNeeds,
): Sampler {
  const { scheduled, found } = gpu;
  if (!scheduled) return new Sampler(gpu, decoder, memory);
  const given = [gpu, scheduled, decoder, memory] as const;
  if (!sampling?.speculative) return new PipelinedSampler(...given, undefined, found.lookSeconds);
  const choice = new MostTokensASecond(memory.passRows, gpu.variants.checkedTokens);
  const guesses = new EarlierCompletions();
  return new SpeculativeSampler(...given, guesses, choice, undefined, found.lookSeconds);
}

function required<T>(part: T | undefined): T {
  if (part === undefined) throw new Error("the policy was opened without this part");
  return part;
}

/** `plain` is the core alone: its kernels, its command stream, its sampler. */
export type KernelChoice = "auto" | "plain";

/**
 * Opens the GPU that `--gpu` names, through the WebGPU of `--gpu-backend`; RLEXPLORE_PROFILE has its work timed.
 * @throws UserError for a value of RLEXPLORE_KERNELS that there is not
 */
export async function openGpu(
  name: string | null,
  kernels: KernelChoice = "auto",
  backend: GpuBackend = "dawn",
): Promise<SystemGpu> {
  if (kernels !== "auto" && kernels !== "plain") {
    throw new UserError(`RLEXPLORE_KERNELS is auto or plain, not "${kernels}"`);
  }
  const plain = kernels === "plain";
  const detail = requestedProfile();
  if (detail && plain) {
    throw new UserError("RLEXPLORE_PROFILE cannot time --kernels plain; leave one of them out");
  }
  const gpu = await SystemGpu.open(name ?? undefined, { plain, backend });
  if (detail) gpu.scheduled?.startProfile(detail);
  return gpu;
}

/** Lets go of the GPU, and tells where its time went if that was asked for. */
export async function closeGpu(gpu: SystemGpu): Promise<void> {
  // What a GPU that failed has to say was said by then.
  const profile = await gpu.scheduled?.readProfile().catch(() => undefined);
  if (profile) console.error(profileTable(profile).join("\n"));
  gpu.destroy();
}
