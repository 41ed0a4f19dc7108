import { freemem } from "node:os";
import { type Allocator, MemoryPlanner, type Tensor } from "../../lib/gpu/memory.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import { type AdamwSettings, OptimizerMemory } from "../../lib/model/optimizer.ts";
import { type MatrixFormats, ParameterLayout, Parameters } from "../../lib/model/parameters.ts";
import { ropeTableLength } from "../../lib/model/rope.ts";
import { TrainingMemory } from "../../lib/model/training-pass.ts";
import type { Variants } from "../kernels/variants.ts";
import { LoraScratch } from "../lora/delta.ts";
import { type LoraConfig, LoraLayout, LoraWeights } from "../lora/lora.ts";
import { cacheBlocksFor } from "../paging/cache-blocks.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import { PipelinedMemory, type PipelinedSizes } from "../scheduling/pipelined-memory.ts";
import { cacheTokensOf, loraOf, speculates } from "../settings/shared.ts";
import type { TrainSettings } from "../settings/training.ts";
import { passRowsFor } from "../speculation/pass-rows.ts";
import { makeMoments, type StoredMoments, type Trained } from "../storage/moments.ts";
import { type Dtype, elementBytes, hasHalves } from "../storage/precision.ts";
import { RoundedParameters, roundable } from "../storage/rounded.ts";
import { allIn } from "../storage/weight-formats.ts";

/** What of an adapter's variants decides how much memory sampling takes. */
type SamplerVariants = Pick<Variants, "readEvery" | "splitQueries" | "checkedTokens">;

/** What a run will ask of the model; each part left out costs no memory. */
export interface PolicyNeeds {
  /** What weights, activations and KV cache are stored in; f32 by default. */
  dtype?: Dtype;
  sampling?: Omit<
    PipelinedSizes,
    "promptSlots" | "passRows" | "cacheBlocks" | keyof SamplerVariants
  > & {
    /** Completions of a question: rows that share a prompt. */
    samplesPerPrompt: number;
    /** Whether guesses are checked beside the rows' tokens. */
    speculative?: boolean;
    /** Tokens whose keys and values are held at once; null is those of all rows at their longest, as is none where it must be so. */
    cacheTokens?: number | null;
  };
  learning?: {
    microBatchTokens: number;
    /** Tokens of the longest sequence, which a micro-batch must hold; without it none may be smaller. */
    longestSequence?: number;
    optimizer: AdamwSettings & Pick<Trained, "optim" | "seed">;
    /** Whether the model as it was at the start is needed beside the one that is trained. */
    reference: boolean;
    gradientCheckpointing?: boolean;
    /** LoraWeights to train instead of the model, drawn from `seed`; null trains the model. */
    lora?: LoraConfig | null;
    /** Whether the model has that already: then a reference is the model with it. */
    isAdapter?: boolean;
    seed?: number;
  };
  /** How matrices lie on the GPU if the model is not trained; as `dtype` says if nothing is said. */
  formats?: MatrixFormats;
}

/** What `train` needs with these settings, if no prompt has more than `maxPromptTokens`. */
export function trainingNeeds(
  settings: TrainSettings & { maxCompletionLength: number },
  maxPromptTokens: number,
  formats?: MatrixFormats,
): PolicyNeeds & Required<Pick<PolicyNeeds, "sampling" | "learning">> {
  const { maxCompletionLength } = settings;
  return {
    dtype: settings.dtype,
    learning: {
      microBatchTokens: settings.microBatchTokens,
      longestSequence: maxPromptTokens + maxCompletionLength,
      optimizer: settings,
      reference: settings.beta > 0,
      gradientCheckpointing: settings.gradientCheckpointing,
      lora: loraOf(settings),
      seed: settings.seed,
    },
    sampling: {
      rows: rowsOf(settings),
      samplesPerPrompt: settings.numGenerations,
      speculative: speculates(settings),
      cacheTokens: cacheTokensOf(settings),
      maxPromptTokens,
      maxNewTokens: Math.max(maxCompletionLength, settings.evalMaxCompletionLength ?? 0),
    },
    formats,
  };
}

/** Completions decoded at once: never more than a step samples, unless held-out questions are sampled too. */
function rowsOf(settings: TrainSettings): number {
  const { samplingBatchSize, promptsPerStep, numGenerations, evalFile, evalSplit } = settings;
  const evaluates = evalFile !== null || evalSplit !== null;
  return evaluates
    ? samplingBatchSize
    : Math.min(samplingBatchSize, promptsPerStep * numGenerations);
}

/** Prompts held at once: one more than full groups need, so that a straggler does not keep the next group waiting. */
export const promptSlotsFor = (rows: number, samplesPerPrompt: number) =>
  Math.ceil(rows / Math.min(samplesPerPrompt, rows)) + 1;

/** Everything a policy allocates. Made twice: by a planner to count, by the GPU to have. */
export class PolicyMemory {
  /** In f32 if they are trained, else in the formats wanted. */
  readonly weights: Parameters;
  /** What the model computes with instead, where f32 weights are trained in an f16 run. */
  readonly rounded?: RoundedParameters;
  readonly lora?: {
    weights: LoraWeights;
    gradients?: LoraWeights;
    /** As it was at the start, if that is not zero. */
    reference?: LoraWeights;
    scratch: LoraScratch;
  };
  readonly ropeTable: Tensor;
  readonly reference?: Parameters;
  readonly gradients?: Parameters | LoraWeights;
  readonly optimizer?: OptimizerMemory;
  /** Those of the optimizer. */
  readonly moments?: StoredMoments;
  readonly training?: TrainingMemory;
  readonly sampler?: PipelinedMemory;

  constructor(
    alloc: Allocator,
    config: ModelConfig,
    needs: PolicyNeeds,
    { readEvery, splitQueries, checkedTokens }: SamplerVariants,
    lora: LoraConfig | null,
  ) {
    const { dtype = "f32", sampling, learning } = needs;
    const adapted = lora && new LoraLayout(config, lora, alloc);
    const bytes = elementBytes(dtype);
    const isTrained = learning !== undefined && !adapted;
    // what training starts from is the reference of its KL penalty: nothing less precise will do
    const formats = isTrained ? undefined : needs.formats;
    const frozen = new ParameterLayout(config, alloc, formats ?? allIn(dtype));
    const trained = new ParameterLayout(config, dtype === "f16" ? roundable(alloc) : alloc);
    this.weights = new Parameters(alloc, isTrained ? trained : frozen, "weights", "weights");
    if (isTrained && dtype === "f16") this.rounded = new RoundedParameters(alloc, this.weights);
    const loraWeights = adapted && new LoraWeights(alloc, adapted, "weights", "LoRA");
    // of the longest sequence that may come: a model's context can be a million tokens
    let positions = 1;
    let loraGradients: LoraWeights | null = null;
    if (learning) {
      positions = Math.min(config.maxPositionEmbeddings, learning.microBatchTokens);
      if (learning.reference && !adapted) {
        this.reference = new Parameters(alloc, frozen, "weights", "reference weights");
      }
      loraGradients = adapted && new LoraWeights(alloc, adapted, "gradients", "gradients");
      this.gradients = loraGradients ?? new Parameters(alloc, trained, "gradients", "gradients");
      const { optim, seed } = learning.optimizer;
      const layout = adapted ?? trained;
      this.moments = makeMoments(alloc, { layout, optim, seed, rounded: this.rounded });
      this.optimizer = new OptimizerMemory(alloc, layout, this.moments);
      const { microBatchTokens, gradientCheckpointing } = learning;
      const options = { gradientCheckpointing, elementBytes: bytes };
      this.training = new TrainingMemory(alloc, config, microBatchTokens, options);
    }
    if (sampling) {
      const {
        rows,
        samplesPerPrompt,
        maxPromptTokens,
        maxNewTokens,
        cacheTokens = null,
      } = sampling;
      const promptSlots = promptSlotsFor(rows, samplesPerPrompt);
      const lengths = { maxPromptTokens, maxNewTokens, readEvery, splitQueries };
      const passRows = sampling.speculative
        ? passRowsFor(rows, checkedTokens, config.vocabSize, alloc)
        : rows;
      const cacheBlocks = cacheBlocksFor(cacheTokens, { rows, promptSlots, ...lengths });
      const sizes = { rows, passRows, promptSlots, ...lengths, cacheBlocks, elementBytes: bytes };
      this.sampler = new PipelinedMemory(alloc, config, sizes);
      positions = Math.max(positions, maxPromptTokens + maxNewTokens + readEvery);
    }
    if (lora && loraWeights) {
      const maxTokens = Math.max(this.training?.maxTokens ?? 0, this.sampler?.maxTokens ?? 0);
      const scratch = new LoraScratch(alloc, maxTokens, lora.rank, learning !== undefined);
      const reference =
        learning?.reference && learning.isAdapter && adapted
          ? new LoraWeights(alloc, adapted, "weights", "reference LoRA")
          : undefined;
      this.lora = {
        weights: loraWeights,
        gradients: loraGradients ?? undefined,
        reference,
        scratch,
      };
    }
    const table = ropeTableLength(config, positions);
    this.ropeTable = alloc.allocate("buffers", "RoPE table", table);
  }
}

/** What of an adapter decides how memory is laid out: a GPU, or what one is assumed to offer. */
export interface AdapterLimits
  extends Pick<Allocator, "bindingLimit" | "bufferLimit" | "alignment"> {
  variants: SamplerVariants;
}

/** Counts what a run would allocate. `lora` is what the model has or gets. */
export function planMemory(
  config: ModelConfig,
  limits: AdapterLimits,
  needs: PolicyNeeds,
  lora: LoraConfig | null = needs.learning?.lora ?? null,
): MemoryPlanner {
  const plan = new MemoryPlanner(limits.bindingLimit, limits.bufferLimit, limits.alignment);
  new PolicyMemory(plan, config, needs, limits.variants, lora);
  return plan;
}

/** What an adapter has for a plan. */
export interface Room {
  /** Bytes of one tensor. */
  piece: number;
  /** Of all together, where that is known. */
  total: number | null;
  /** Whether `--dtype f16` works. */
  halves: boolean;
}

/** WebGPU tells no GPU's free memory; a software adapter computes in the host's. */
export function roomOf(gpu: SystemGpu): Room {
  const piece = Math.min(gpu.bindingLimit, gpu.bufferLimit);
  return { piece, total: gpu.isSoftware ? freemem() : null, halves: hasHalves(gpu) };
}

export function fits(plan: MemoryPlanner, { piece, total }: Room): boolean {
  return plan.largest.bytes <= piece && (total === null || plan.total <= total);
}

/** What of a plan exceeds the room, in words. */
export function shortage(plan: MemoryPlanner, { piece, total }: Room): string {
  const { name, part, bytes } = plan.largest;
  if (bytes > piece) {
    const sizes = `${formatBytes(bytes)} in one piece (${name}), this adapter allows ${formatBytes(piece)}`;
    return `the ${part} need ${sizes}`;
  }
  return `this run needs ${formatBytes(plan.total)}, ${formatBytes(total ?? 0)} are free`;
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
