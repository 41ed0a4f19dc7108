/** Flags that several commands share. */

import { GRADIENT_DTYPES } from "../cluster/halves.ts";
import { LORA_TARGETS, type LoraConfig } from "../lora/lora.ts";
import { GPU_BACKENDS } from "../platform/runtime.ts";
import { BASE_DTYPES } from "../storage/base-formats.ts";
import { OPTIMIZERS } from "../storage/moments.ts";
import { DTYPES } from "../storage/precision.ts";
import {
  choice,
  choices,
  containing,
  integer,
  number,
  object,
  optional,
  type SettingsOf,
  text,
  texts,
  toggle,
} from "./flags.ts";

/** The name of the model inside the executable. */
export const EMBEDDED = "embedded";

export const PAPER = "the paper, arXiv 2509.06941";
export const TRL = "TRL";
export const OURS = "our choice";

export const fraction = { min: 0, below: 1 };

export const model = text(
  EMBEDDED,
  "model",
  "The model: a Hugging Face folder, org/name of the hub, a GGUF file, a run, or the embedded one, which reads sums such as 23+7-4+9=.",
  "small enough for a CPU",
);
export const outcome = {
  ...text(
    "auto",
    "kind",
    "How answers are found and compared: math, number, either with :last-number for texts that mark no " +
      "answer, choice, exact, countdown, regex:<pattern>, or a file such as ./my-outcome.ts. auto: choice for " +
      "rows with choices, countdown for rows with nums and target, else math.",
    "by the data",
  ),
  embedded: "number",
};
export const outcomeTimeout = number(
  60,
  { above: 0 },
  "Seconds after which an asynchronous call of your own --outcome counts as no answer.",
  OURS,
);
export const thinkTags = optional(
  text(
    "",
    "open,close",
    "What a model thinks between these is not its answer.",
    "<think>,</think>, those of other reasoning models, and those in the chat template",
  ),
);
export const dataFields = {
  questionField: optional(
    text(
      "",
      "name",
      "Field of the question; a.b is b within a.",
      "question, prompt, problem or messages",
    ),
  ),
  answerField: optional(
    text("", "name", "Field of the answer.", "answer, solution, ground_truth or target"),
  ),
  limit: optional(integer(1, { min: 1 }, "Take this many rows, from the beginning.", "all")),
};
/** Data that is not a file: which files of a data set on the hub. */
export const hubData = {
  data: optional(
    text(
      "",
      "file",
      "The questions: a file, - for standard input, or org/name of the hub; the same as without --data.",
      "the argument",
    ),
  ),
  split: optional(text("", "name", "Split of a data set of the hub.", "train")),
  subset: optional(
    text(
      "",
      "name",
      "Subset (configuration) of a data set of the hub.",
      "the one it calls default",
    ),
  ),
};

export const skipBad = toggle("Leave out lines of the data that cannot be used, and say how many.");
export const outputDir = optional(
  text("", "folder", "Where the run is written; it must not exist yet.", "runs/<data>-<n>"),
);
export const seed = integer(
  42,
  { min: 0, max: 2 ** 32 - 1 },
  "Seed of every random choice: the same seed on the same adapter, tuned alike, gives the same bits.",
  TRL,
);

export const showing = {
  quiet: toggle("Show nothing but errors and the final result."),
  json: toggle("Print one JSON object a line instead of the display."),
};
export const gpu = optional(
  text(
    "",
    "name",
    "Compute on the adapter with this in its name; so does RLEXPLORE_GPU.",
    "the best",
  ),
);

export const gpuBackend = choice(
  "dawn",
  GPU_BACKENDS,
  "Whose WebGPU computes: Dawn, which comes with this program, or native, the runtime's own, which Deno has " +
    "and which needs no --allow-ffi.",
  "one program, the same on every machine",
);

/** The kernels of a run that is asked for none. */
const KERNELS = process.env.RLEXPLORE_KERNELS || "auto";

export const kernels = choice(
  KERNELS as "auto" | "plain",
  ["auto", "plain"],
  "plain computes with shaders/ alone, as docs/tour.md walks through them: no variant, no tuning, no subgroups, " +
    "nothing recorded or looked ahead. The reference for all others, and the way out where a driver gets one wrong.",
  "RLEXPLORE_KERNELS, else the fastest for the adapter",
);

export const noTune = toggle(
  "Compute with the built-in kernels. Without this a GPU is tuned for a model on first use, in a " +
    "few seconds, and what was found is kept in the user's cache folder; a software adapter is tuned by " +
    "rlexplore gpu --tune alone. A run that is resumed keeps the kernels it was begun with.",
);

export const dtype = choice(
  "f32",
  DTYPES,
  "What weights, activations and the KV cache are stored in. f16 halves their memory and needs a GPU " +
    "with shader-f16; sums, gradients, moments and the weights that are trained stay f32.",
  OURS,
);

/** How a question becomes the prompt: the same in `train`, `sft`, `sample` and `eval`. */
export const prompting = {
  systemPrompt: optional(
    text("", "text", "System message before the question.", "what the model's chat template does"),
  ),
  promptTemplate: containing(
    "{question}",
    text(
      "{question}",
      "text",
      "The user's message; {question} stands for the question. It goes through the model's chat " +
        "template; a model without one gets it as it is.",
      OURS,
    ),
  ),
  chatTemplateKwargs: object(
    "json",
    'Variables for the chat template, such as {"enable_thinking": false} for Qwen3.',
    "none",
  ),
};

export const sampling = {
  maxCompletionLength: optional(
    integer(
      1,
      { min: 1 },
      "Most tokens in a completion; one cut off has no answer.",
      "256 (TRL), or half the model's context if that is less",
    ),
  ),
  temperature: number(1, { min: 1e-4 }, "Logits are divided by this before sampling.", TRL),
  topP: number(1, { above: 0, max: 1 }, "Sample from the likeliest tokens with this total.", TRL),
  topK: integer(0, { min: 0 }, "Sample from this many likeliest tokens; 0 is all.", TRL),
  minP: number(0, fraction, "Sample from tokens this likely relative to the likeliest.", TRL),
  stop: texts(
    "text",
    "End a completion after this text; may be given several times.",
    "the model's end token alone",
  ),
  speculativeRollouts: choice(
    "on",
    ["on", "off"],
    "Guess what comes next by what was said to the question before, and check several tokens in one pass, wherever " +
      "by the times measured so far that gives more tokens a second. Changes no bit of any completion.",
    OURS,
  ),
  samplingBatchSize: integer(
    128,
    { min: 1 },
    "Completions decoded at once, as far as there is memory for them; changes no result.",
    OURS,
  ),
  kvCacheTokens: optional(
    integer(
      32,
      { min: 32 },
      "Most tokens, of prompts and completions in work, whose keys and values are held at once: bounds the memory of the " +
        "KV cache. Completions get it as they grow; those that came last wait where there is none. Changes no result.",
      "as many as --sampling-batch-size completions need at their longest",
    ),
  ),
};

/** AdamW and its schedule, for `train` and `sft`. */
export const optimizer = {
  optim: choice(
    "adamw",
    OPTIMIZERS,
    "AdamW with moments in float32, or in 8 bits: a quarter of their memory.",
    "TRL",
  ),
  lrSchedulerType: choice(
    "constant",
    ["constant", "linear", "cosine"],
    "Learning rate after the warm-up: constant, or falling to 0 at the last step.",
    "usual for GRPO; linear in TRL",
  ),
  warmupSteps: integer(0, { min: 0 }, "Steps in which the learning rate rises from 0.", TRL),
  weightDecay: number(0, { min: 0 }, "Decoupled weight decay of AdamW.", TRL),
  adamBeta1: number(0.9, fraction, "Decay of AdamW's mean of gradients.", TRL),
  adamBeta2: number(0.999, fraction, "Decay of AdamW's mean of squared gradients.", TRL),
  adamEpsilon: number(1e-8, { above: 0 }, "Added to AdamW's denominator.", TRL),
  maxGradNorm: number(1, { above: 0 }, "A longer gradient is scaled down to this norm.", TRL),
  microBatchTokens: integer(
    4096,
    { min: 16 },
    "Tokens learned from at once: bounds the memory of activations, changes results by rounding only.",
    OURS,
  ),
  gradientCheckpointing: toggle(
    "Keep only what enters each layer and compute the rest again on the way back: less memory, more time, the same bits.",
  ),
};

export const baseDtype = choice(
  "auto",
  BASE_DTYPES,
  "How the matrices of a model that is not trained lie on the GPU. auto: as the file has them (F32, Q8_0, Q4_1), and else f16.",
  OURS,
);

/** For `train` and `sft`. */
export const lora = {
  loraRank: integer(
    0,
    { min: 0, max: 1024 },
    "Train low-rank adapters of this rank and leave the model itself alone; 0 trains the model.",
    OURS,
  ),
  loraAlpha: number(32, { above: 0 }, "They are scaled by this over their rank.", TRL),
  loraTargets: choices(LORA_TARGETS, "The projections that get adapters.", "all of them"),
  baseDtype,
};

/** Many GPUs, on Ray. */
export const cluster = {
  ray: optional(
    text(
      "",
      "address",
      "Share the work over a Ray cluster: its address, auto, or local for one on this machine; none leaves one when a run goes on.",
      "this machine's GPU alone",
    ),
  ),
  workers: optional(
    integer(1, { min: 1 }, "Workers in the cluster.", "one a GPU, or one a machine without any"),
  ),
  gpusPerNode: optional(
    integer(
      1,
      { min: 1 },
      "GPUs of each machine, where Ray does not count them: it knows few but NVIDIA's.",
      "as Ray counts them",
    ),
  ),
};

/** ... and how they learn together. */
export const learningCluster = {
  ...cluster,
  gradientShards: optional(
    integer(
      1,
      { min: 1, max: 4096 },
      "Parts that the gradient of a step is summed in: with the same number a run has the same bits on any number of workers.",
      "1; 8 with --ray",
    ),
  ),
  gradientDtype: choice(
    "f32",
    GRADIENT_DTYPES,
    "How the gradients of these parts, and their sum, travel. f16: half the bytes, and other bits, which are again the same on any number of workers.",
    OURS,
  ),
};

export const saving = {
  saveSteps: integer(50, { min: 1 }, "Steps between checkpoints; the last is always saved.", OURS),
  saveTotalLimit: integer(2, { min: 1 }, "Newest checkpoints kept.", "our choice; all in TRL"),
};

export const resume = optional(
  text("", "run", "Continue this run after its last checkpoint, with its settings.", "start anew"),
);

/** Whether guesses are checked: `--kernels plain` has no sampler that could. */
export const speculates = (s: { speculativeRollouts: "on" | "off"; kernels: "auto" | "plain" }) =>
  s.speculativeRollouts === "on" && s.kernels === "auto";

/** The tokens that the KV cache is to hold: null for all that there may be, undefined where no sampler can do with fewer. */
export const cacheTokensOf = (s: { kvCacheTokens: number | null; kernels: "auto" | "plain" }) =>
  s.kernels === "auto" ? s.kvCacheTokens : undefined;

/** The LoRA that the flags describe, null for full fine-tuning. */
export const loraOf = (s: SettingsOf<typeof lora>): LoraConfig | null =>
  s.loraRank > 0 ? { rank: s.loraRank, alpha: s.loraAlpha, targets: s.loraTargets } : null;
