import { COUNTDOWN } from "../data/countdown.ts";
import type { TaskName } from "../data/tasks.ts";
import { strategies } from "../explore/bonus.ts";
import { BASE_DTYPES } from "../model/base-formats.ts";
import { LORA_TARGETS, type LoraConfig } from "../model/lora.ts";
import { OPTIMIZERS } from "../model/moments.ts";
import { DTYPES } from "../model/precision.ts";
import { ANSWER_FORMS, REWARD_PARTS } from "../rewards.ts";
import {
  bytes,
  choice,
  choices,
  containing,
  type FlagGroups,
  type Flags,
  integer,
  number,
  numbers,
  object,
  optional,
  type SettingsOf,
  text,
  texts,
  toggle,
} from "./flags.ts";

/** The name of the model inside the executable. */
export const EMBEDDED = "embedded";

const PAPER = "the paper, arXiv 2509.06941";
const TRL = "TRL";
const OURS = "our choice";
const TINYZERO = "TinyZero's script";
const fraction = { min: 0, below: 1 };

const model = text(
  EMBEDDED,
  "model",
  "The model: a Hugging Face folder, org/name of the hub, a GGUF file, a run, or the embedded one, which reads sums such as 23+7-4+9=.",
  "small enough for a CPU",
);
const outcome = {
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
const outcomeTimeout = number(
  60,
  { above: 0 },
  "Seconds after which an asynchronous call of your own --outcome counts as no answer.",
  OURS,
);
const dataFields = {
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
const hubData = {
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
const evalFraction = number(
  0,
  fraction,
  "Hold out this share of the data's questions; equal ones stay together.",
  OURS,
);
const skipBad = toggle("Leave out lines of the data that cannot be used, and say how many.");
const outputDir = optional(
  text("", "folder", "Where the run is written; it must not exist yet.", "runs/<data>-<n>"),
);
const seed = integer(
  42,
  { min: 0, max: 2 ** 32 - 1 },
  "Seed of every random choice: the same seed on the same adapter gives the same bits.",
  TRL,
);

const question = texts(
  "text",
  "Draw the treasure map of this question, or of the one with this text in it; may be given several times.",
  "those that tell most",
);

const showing = {
  quiet: toggle("Show nothing but errors and the final result."),
  json: toggle("Print one JSON object a line instead of the display."),
};
const gpu = optional(
  text(
    "",
    "name",
    "Compute on the adapter with this in its name; so does RLEXPLORE_GPU.",
    "the best",
  ),
);

const dtype = choice(
  "f32",
  DTYPES,
  "What weights, activations and the KV cache are stored in. f16 halves their memory and needs a GPU " +
    "with shader-f16; sums, gradients, moments and the weights that are trained stay f32.",
  OURS,
);

/** How a question becomes the prompt: the same in `train`, `sft`, `sample` and `eval`. */
const prompting = {
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

const sampling = {
  maxCompletionLength: optional(
    integer(
      1,
      { min: 1 },
      "Most tokens in a completion; one cut off has no answer.",
      "256 (TRL), or half the model's context if that is less",
    ),
  ),
  temperature: number(1, { above: 0 }, "Logits are divided by this before sampling.", TRL),
  topP: number(1, { above: 0, max: 1 }, "Sample from the likeliest tokens with this total.", TRL),
  topK: integer(0, { min: 0 }, "Sample from this many likeliest tokens; 0 is all.", TRL),
  minP: number(0, fraction, "Sample from tokens this likely relative to the likeliest.", TRL),
  stop: texts(
    "text",
    "End a completion after this text; may be given several times.",
    "the model's end token alone",
  ),
  samplingBatchSize: integer(
    128,
    { min: 1 },
    "Completions decoded at once: bounds the memory of the KV cache, changes no result.",
    OURS,
  ),
};

/** AdamW and its schedule, for `train` and `sft`. */
const optimizer = {
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

const baseDtype = choice(
  "auto",
  BASE_DTYPES,
  "How the matrices of a model that is not trained lie on the GPU. auto: as the file has them (F32, Q8_0, Q4_1), and else f16.",
  OURS,
);

/** For `train` and `sft`. */
const lora = {
  loraRank: integer(
    0,
    { min: 0, max: 1024 },
    "Train low-rank adapters of this rank and leave the model itself alone; 0 trains the model.",
    OURS,
  ),
  loraAlpha: number(32, { above: 0 }, "Adapters are scaled by this over their rank.", TRL),
  loraTargets: choices(LORA_TARGETS, "The projections that get adapters.", "all of them"),
  baseDtype,
};

const saving = {
  saveSteps: integer(50, { min: 1 }, "Steps between checkpoints; the last is always saved.", OURS),
  saveTotalLimit: integer(2, { min: 1 }, "Newest checkpoints kept.", "our choice; all in TRL"),
};

const resume = optional(
  text("", "run", "Continue this run after its last checkpoint, with its settings.", "start anew"),
);

/** How many completions of which questions a run draws: the same in `train` and `sample-base`. */
const lengthOfRun = {
  maxSteps: integer(
    160,
    { min: 1 },
    "Steps; in each, questions are drawn, answered and learned from.",
    "five visits to each example, and a minute or two on a CPU",
  ),
  promptsPerStep: integer(16, { min: 1 }, "Questions drawn in a step.", OURS),
  numGenerations: integer(8, { min: 2 }, "Completions of a question: its group.", `${PAPER}; TRL`),
  seed,
  shuffleSeed: optional(
    integer(
      0,
      { min: 0, max: 2 ** 32 - 1 },
      "Seed of the order of the questions, and of which --eval-fraction holds out.",
      "--seed",
    ),
  ),
};

export const trainGroups = {
  "Model and data": {
    model,
    outcome,
    outcomeTimeout,
    ...hubData,
    ...dataFields,
    skipBad,
    outputDir,
    resume,
  },
  "Length of the run": lengthOfRun,
  Exploration: {
    explore: text(
      "ucb-con",
      "terms",
      `What is added to the advantage: ${strategies.join(", ")}; several are joined by commas.`,
      `best of the historical ones in ${PAPER}`,
    ),
    exploreCoef: numbers(
      number(0, { min: 0 }, "Weight c of the terms: one for all, or one each.", PAPER),
      [0.2],
    ),
    b0: number(
      0.5,
      { min: 0, max: 1 },
      "Baseline of ucb-con: an answer seen under 1/b0^2 times is rewarded, a commoner one punished.",
      `${PAPER}, on its harder data; 1 on its easy data`,
    ),
    exploreTokens: choice(
      "all",
      ["all", "reasoning"],
      "Tokens that carry the terms: all, or those before the final answer.",
      OURS,
    ),
  },
  Reward: {
    reward: optional(
      text(
        "",
        "part=x,...",
        `What a completion earns: parts times weights, of ${REWARD_PARTS.join(", ")}; correct=1,format=0.1,length=-0.0005.`,
        "correct=1; user=1 with your own --outcome",
      ),
    ),
    answerForm: choice(
      "any",
      ANSWER_FORMS,
      "What the part format asks for: any mark, \\boxed{}, <answer> tags, or ####.",
      OURS,
    ),
    overlongCache: optional(
      integer(
        1,
        { min: 1 },
        "Tokens before --max-completion-length in which the part overlong falls from 0 to -1.",
        "a fifth of that, as in DAPO",
      ),
    ),
  },
  Objective: {
    scaleRewards: choice(
      "none",
      ["none", "group", "batch"],
      "Divide advantages by the standard deviation of the rewards of the group or batch.",
      `${PAPER}; group in TRL`,
    ),
    lossType: choice(
      "dapo",
      ["grpo", "dr_grpo", "dapo", "bnpo"],
      "Token losses are averaged within each completion (grpo), over --max-completion-length " +
        "(dr_grpo) or over all tokens of the step (dapo, bnpo).",
      TRL,
    ),
    importanceSamplingLevel: choice(
      "token",
      ["token", "sequence"],
      "Importance ratio of each token, or of the completion as in GSPO.",
      TRL,
    ),
    epsilon: number(0.2, fraction, "The ratio is clipped below 1 - epsilon.", TRL),
    epsilonHigh: optional(
      number(0, { min: 0 }, "The ratio is clipped above 1 + this; 0.28 in DAPO.", "--epsilon"),
    ),
    beta: number(
      0,
      { min: 0 },
      "Weight of the KL divergence from the starting model (k3); at 0 no copy of it is kept.",
      TRL,
    ),
    numIterations: integer(1, { min: 1 }, "Times the completions are learned from.", TRL),
    stepsPerGeneration: integer(
      1,
      { min: 1 },
      "Updates each of those times is split into, with whole groups in each.",
      OURS,
    ),
    maskTruncatedCompletions: toggle("Learn nothing from completions that were cut off."),
    filterZeroVariance: toggle(
      "Replace groups whose whole signal is zero by fresh questions, as DAPO does.",
    ),
  },
  Optimizer: {
    learningRate: {
      ...number(1e-6, { min: 0 }, "Step size of AdamW.", "TRL, for full fine-tuning"),
      embedded: 1e-4,
      lora: 1e-5,
    },
    ...optimizer,
  },
  LoRA: lora,
  Prompts: prompting,
  Sampling: sampling,
  Evaluation: {
    evalFile: optional(
      text("", "file", "Questions held out for the table of before and after.", "no table"),
    ),
    evalSplit: optional(
      text("", "name", "Split held out, of --eval-file or of the data, from the hub.", "test"),
    ),
    evalFraction,
    evalSteps: integer(0, { min: 0 }, "Steps between evaluations; 0: before and after only.", OURS),
    evalSamples: integer(32, { min: 1 }, "Completions of each held-out question.", "for pass@32"),
  },
  "Saving and showing": {
    ...saving,
    saveBest: toggle("Also keep the checkpoint with the best pass@1 on --eval-file."),
    logCompletions: toggle("Show some completions of every step."),
    tensorboard: toggle(
      "Write the metrics as TensorBoard event files too: tensorboard --logdir runs.",
    ),
    ...showing,
    gpu,
    dtype,
  },
} satisfies FlagGroups;

export const sampleBaseGroups = {
  "Model and data": {
    model,
    outcome,
    outcomeTimeout,
    ...hubData,
    ...dataFields,
    evalFraction: { ...evalFraction, help: "Leave out the questions that train holds out by it." },
    skipBad,
    outputDir,
    resume: { ...resume, help: "Continue this run after its last step, with its settings." },
  },
  "Length of the run": {
    ...lengthOfRun,
    maxSteps: {
      ...lengthOfRun.maxSteps,
      help: "Steps; in each, questions are drawn and answered.",
    },
  },
  Prompts: prompting,
  Sampling: { ...sampling, baseDtype },
  Showing: { ...showing, gpu, dtype },
} satisfies FlagGroups;

export const sftGroups = {
  "Model and data": {
    model,
    fromScratch: toggle("Draw the weights anew: only shape and tokenizer of --model are used."),
    skipBad,
    outputDir,
  },
  "Length of the run": {
    numTrainEpochs: number(3, { above: 0 }, "Times the data is read.", TRL),
    maxSteps: optional(integer(1, { min: 1 }, "Steps, instead of epochs.", "--num-train-epochs")),
    rowsPerStep: integer(32, { min: 1 }, "Rows learned from in a step.", OURS),
    seed,
  },
  Prompts: prompting,
  Optimizer: {
    learningRate: number(2e-5, { min: 0 }, "Step size of AdamW.", TRL),
    ...optimizer,
  },
  LoRA: lora,
  "Saving and showing": { ...saving, ...showing, gpu, dtype },
} satisfies FlagGroups;

export const planGroups = {
  Plan: {
    memory: optional(
      bytes("Memory to fit into; no GPU is opened then, unless --gpu names one.", "the adapter's"),
    ),
    maxPromptLength: optional(
      integer(1, { min: 1 }, "Tokens of the longest prompt.", "that of the data, or 512 without"),
    ),
  },
  ...trainGroups,
} satisfies FlagGroups;

export const sampleGroups = {
  Options: {
    model,
    outcome,
    outcomeTimeout,
    numGenerations: {
      ...integer(1, { min: 1 }, "Completions of each question.", OURS),
      short: "n",
    },
    ...prompting,
    ...sampling,
    baseDtype,
    seed,
    gpu,
    dtype,
    json: showing.json,
  },
} satisfies FlagGroups;

export const evalGroups = {
  Options: {
    model,
    compare: optional(
      text(
        "",
        "model",
        "A second model, and what the first gains over it; base is the one that a run started from.",
        "none",
      ),
    ),
    outcome,
    outcomeTimeout,
    ...hubData,
    ...dataFields,
    skipBad,
    numSamples: integer(64, { min: 1 }, "Completions of each question.", "for pass@64"),
    k: numbers(
      integer(1, { min: 1 }, "The k of pass@k.", "powers of two, as in the paper"),
      [1, 2, 4, 8, 16, 32, 64],
    ),
    output: optional(
      text(
        "",
        "file",
        "Where the counts of each question are written, as JSON; with --compare in two files of the default names.",
        "<run>/evaluations/<data>-<step>.json, or evaluations/<data>-<model>.json",
      ),
    ),
    ...prompting,
    ...sampling,
    baseDtype,
    seed,
    ...showing,
    gpu,
    dtype,
  },
} satisfies FlagGroups;

export const compareGroups = {
  Options: {
    outputDir: optional(
      text(
        "",
        "folder",
        "Where the runs are; what is there already is not made again.",
        "runs/<name of the experiment>",
      ),
    ),
    reference: optional(
      text("", "method", "The method that the others are compared with.", "none, or the last one"),
    ),
    ...showing,
    gpu,
  },
} satisfies FlagGroups;

export const dataGroups = {
  "What is read": {
    split: hubData.split,
    subset: hubData.subset,
    evalSplit: optional(
      text("", "name", "Compare with this split of the same data set of the hub.", "none"),
    ),
    ...dataFields,
  },
  "What it is read for": {
    outcome,
    outcomeTimeout,
    model: optional(
      text("", "model", "Measure prompts in tokens of this model, as in train.", "characters"),
    ),
    maxCompletionLength: sampling.maxCompletionLength,
    ...prompting,
    json: showing.json,
  },
} satisfies FlagGroups;

export const makeGroups = {
  Rows: {
    n: integer(1000, { min: 1, max: 10_000_000 }, "Rows to make, all different.", OURS),
    skip: integer(
      0,
      { min: 0, max: 10_000_000 },
      "Leave out the first rows of the seed: --n 100 --skip 1000 shares none with --n 1000.",
      "none",
    ),
    seed: integer(1, { min: 0, max: 2 ** 32 - 1 }, "Seed of the rows.", OURS),
    output: {
      ...optional(
        text("", "file", "Where they are written; it must not exist yet.", "standard output"),
      ),
      short: "o",
    },
  },
  Countdown: {
    numbers: numbers(
      integer(
        3,
        { min: 2, max: 8 },
        "How many numbers a task has, each count as often.",
        "TinyZero's Countdown-Tasks-3to4",
      ),
      [...COUNTDOWN.numbers],
    ),
    minNumber: integer(1, { min: 1, max: 10_000 }, "Least of the numbers.", TINYZERO),
    maxNumber: integer(100, { min: 1, max: 10_000 }, "Largest of the numbers.", TINYZERO),
    minTarget: integer(1, { min: 0, max: 1_000_000 }, "Least target.", TINYZERO),
    maxTarget: integer(1000, { min: 1, max: 1_000_000 }, "Largest target.", TINYZERO),
  },
} satisfies FlagGroups;

export const exportGroups = {
  Options: {
    gguf: optional(text("", "file", "Write the model as this GGUF file.", "no such file")),
    rollouts: optional(
      text(
        "",
        "file",
        "Write the rollouts of a run as this file, .jsonl or .parquet: a row each.",
        "no such file",
      ),
    ),
    type: choice(
      "f16",
      ["f16", "q8_0"],
      "Of a GGUF file's matrices; vectors stay in float32. q8_0 takes half the space.",
      "nearest to what was trained",
    ),
  },
} satisfies FlagGroups;

export const mergeGroups = {
  Options: {
    outputDir: text("", "folder", "Where the merged model is written; it must not exist yet.", ""),
  },
} satisfies FlagGroups;

const chartsFolder = optional(
  text("", "folder", "Also write each chart there, as an SVG file.", "none"),
);

export const reportGroups = {
  Options: {
    output: {
      ...text("report.html", "file", "The page to write; an older one is replaced.", OURS),
      short: "o",
    },
    question,
    charts: chartsFolder,
    chart: texts(
      "name",
      "Write only this chart to --charts, such as pass-last; may be given several times.",
      "all",
    ),
  },
} satisfies FlagGroups;

export const watchGroups = {
  Options: {
    port: integer(
      0,
      { min: 0, max: 65535 },
      "Port on 127.0.0.1; 0 takes one that is free.",
      "any that is free",
    ),
    question,
  },
} satisfies FlagGroups;

export const banditGroups = {
  Options: {
    arms: numbers(
      integer(1, { min: 2 }, "Arms K, one problem each.", "as far apart as one can see"),
      [100, 1000, 10000],
    ),
    outcomes: integer(10, { min: 2 }, "Outcomes m that the arms share.", "far below K"),
    gap: number(
      0.3,
      { above: 0, max: 0.5 },
      "Expected reward of the best outcome above that of the others, which is 0.5.",
      OURS,
    ),
    horizon: integer(100_000, { min: 100 }, "Pulls T.", OURS),
    seeds: integer(40, { min: 1 }, "Problems drawn and played for each K.", OURS),
    seed,
    output: {
      ...optional(text("", "file", "Also write a page with the charts.", "none")),
      short: "o",
    },
    charts: chartsFolder,
  },
} satisfies FlagGroups;

export const gpuGroups = { Options: { gpu } } satisfies FlagGroups;

type UnionToIntersection<U> = (U extends unknown ? (u: U) => void : never) extends (
  intersection: infer I,
) => void
  ? I
  : never;
type SettingsIn<G extends FlagGroups> =
  UnionToIntersection<G[keyof G]> extends infer F extends Flags ? SettingsOf<F> : never;

/**
 * All settings of `train`; `data` is the file of questions. `epsilonHigh` null means `epsilon`;
 * `resume` is the run that is continued, and then `outputDir` is that run too.
 */
export type TrainSettings = SettingsIn<typeof trainGroups> & { data: string };
/** `data` may be missing; `line` is what was typed: texts by setting, and nothing of `plan` itself. */
export type PlanSettings = TrainSettings &
  SettingsIn<Pick<typeof planGroups, "Plan">> & { line: ReadonlyMap<string, readonly string[]> };
/** All settings of `sample-base`: those of `train` that say what is sampled. */
export type SampleBaseSettings = SettingsIn<typeof sampleBaseGroups> & { data: string };
/** All settings of `sft`. `maxSteps` null means that `numTrainEpochs` decides. */
export type SftSettings = SettingsIn<typeof sftGroups> & { data: string };
export type SampleSettings = SettingsIn<typeof sampleGroups> & { questions: string[] };
/** `k` is ascending and at most `numSamples`. */
export type EvalSettings = SettingsIn<typeof evalGroups> & { data: string };
/** `files` are one or two. */
export type DataSettings = SettingsIn<typeof dataGroups> & { files: string[] };
export type MakeSettings = SettingsIn<typeof makeGroups> & { task: TaskName };
/** `file` describes the experiment. */
export type CompareSettings = SettingsIn<typeof compareGroups> & { file: string };
/** Either `gguf` or `rollouts` is given, the file to write; `model` is a run for `rollouts`. */
export type ExportSettings = SettingsIn<typeof exportGroups> & { model: string };
/** `model` is the run or the folder with the adapter. */
export type MergeSettings = SettingsIn<typeof mergeGroups> & { model: string };
/** `runs` are folders of runs, or folders with runs in them. */
export type ReportSettings = SettingsIn<typeof reportGroups> & { runs: string[] };
export type WatchSettings = SettingsIn<typeof watchGroups> & { runs: string[] };
export type BanditSettings = SettingsIn<typeof banditGroups>;
export type GpuSettings = SettingsIn<typeof gpuGroups>;

/** The adapters that the flags describe, null for full fine-tuning. */
export const loraOf = (s: Pick<SftSettings, keyof typeof lora>): LoraConfig | null =>
  s.loraRank > 0 ? { rank: s.loraRank, alpha: s.loraAlpha, targets: s.loraTargets } : null;
