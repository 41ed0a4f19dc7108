/** The settings of the commands that train, of those that draw as training does, and of plan. */

import { ANSWER_FORMS, REWARD_PARTS } from "../../lib/rewards.ts";
import {
  bytes,
  choice,
  type Flag,
  type FlagGroups,
  integer,
  MOST_COMPLETIONS,
  number,
  numbers,
  optional,
  type SettingsIn,
  text,
  toggle,
} from "./flags.ts";
import { advantageFlags, advantageNames, explorationFlags, explorationNames } from "./methods.ts";
import {
  baseDtype,
  cluster,
  dataFields,
  dtype,
  fraction,
  gpu,
  gpuBackend,
  hubData,
  kernels,
  learningCluster,
  lora,
  model,
  noTune,
  OURS,
  optimizer,
  outcome,
  outcomeTimeout,
  outputDir,
  PAPER,
  prompting,
  resume,
  sampling,
  saving,
  seed,
  showing,
  skipBad,
  TRL,
  thinkTags,
} from "./shared.ts";

const evalFraction = number(
  0,
  fraction,
  "Hold out this share of the data's questions; equal ones stay together.",
  OURS,
);

const runName = optional(text("", "name", "What reports call the run.", "its folder's name"));
const tensorboard = toggle(
  "Write the metrics as TensorBoard event files too: tensorboard --logdir runs.",
);

/** How evaluations sample: in `train`, and in `eval` of the run. */
const ofEvaluations = <T>(flag: Flag<T>, name: string): Flag<T | null> => ({
  ...optional(flag),
  help: `--${name} of evaluations, in train and in eval of the run.`,
  source: `--${name}`,
});
export const evaluating = {
  evalTemperature: ofEvaluations(sampling.temperature, "temperature"),
  evalTopP: ofEvaluations(sampling.topP, "top-p"),
  evalTopK: ofEvaluations(sampling.topK, "top-k"),
  evalMinP: ofEvaluations(sampling.minP, "min-p"),
  evalMaxCompletionLength: ofEvaluations(sampling.maxCompletionLength, "max-completion-length"),
};

/** How many completions of which questions a run draws: the same in `train` and `sample-base`. */
const lengthOfRun = {
  maxSteps: integer(
    160,
    { min: 1 },
    "Steps; in each, questions are drawn, answered and learned from.",
    "five visits to each example, and a minute or two on a CPU",
  ),
  promptsPerStep: integer(
    16,
    { min: 1, max: MOST_COMPLETIONS },
    "Questions drawn in a step.",
    OURS,
  ),
  numGenerations: integer(
    8,
    { min: 2, max: MOST_COMPLETIONS },
    "Completions of a question: its group.",
    `${PAPER}; TRL`,
  ),
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
    thinkTags,
    ...hubData,
    ...dataFields,
    skipBad,
    outputDir,
    resume,
  },
  "Length of the run": {
    ...lengthOfRun,
    numEpochs: optional(
      number(
        0,
        { above: 0 },
        "Times every question is drawn, instead of --max-steps.",
        "--max-steps",
      ),
    ),
  },
  Exploration: {
    explore: text(
      "ucb-con",
      "terms",
      `What is added to the advantage: ${explorationNames.join(", ")}, or a file such as ./my-bonus.ts; several are joined by commas.`,
      `best of the historical ones in ${PAPER}`,
    ),
    exploreCoef: numbers(
      number(0, { min: 0, max: 1e6 }, "Weight c of the terms: one for all, or one each.", PAPER),
      [0.2],
    ),
    ...explorationFlags,
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
    advantage: text(
      "grpo",
      "method",
      `How much better a completion is than its group: ${advantageNames.join(", ")}, or a file such as ./my-advantage.ts.`,
      "the method's own",
    ),
    ...advantageFlags,
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
      { min: 0, max: 1e6 },
      "Weight of the KL divergence from the starting model (k3); at 0 no copy of it is kept.",
      TRL,
    ),
    klBiasCorrection: toggle(
      "Multiply that divergence by the importance ratio, as TRL does by default (use_bias_correction_kl): its gradient is " +
        "then an unbiased one. Without it k3 is GRPO's own, as published.",
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
  Cluster: learningCluster,
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
    ...evaluating,
  },
  "Saving and showing": {
    ...saving,
    saveBest: toggle("Also keep the checkpoint with the best pass@1 on --eval-file."),
    runName,
    logCompletions: toggle("Show some completions of every step."),
    tensorboard,
    ...showing,
    gpu,
    gpuBackend,
    kernels,
    noTune,
    dtype,
  },
} satisfies FlagGroups;

export const sampleBaseGroups = {
  "Model and data": {
    model,
    outcome,
    outcomeTimeout,
    thinkTags,
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
  Cluster: cluster,
  Showing: { ...showing, gpu, gpuBackend, kernels, noTune, dtype },
} satisfies FlagGroups;

export const sftGroups = {
  "Model and data": {
    model,
    fromScratch: toggle("Draw the weights anew: only shape and tokenizer of --model are used."),
    ...hubData,
    data: { ...hubData.data, help: "The rows; the same as without --data." },
    skipBad,
    outputDir,
    resume,
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
  Evaluation: {
    evalFile: optional(
      text("", "file", "Rows held out: their loss and token accuracy are measured.", "none"),
    ),
    evalSteps: integer(0, { min: 0 }, "Steps between evaluations; 0: before and after only.", OURS),
  },
  "Saving and showing": {
    ...saving,
    runName,
    tensorboard,
    ...showing,
    gpu,
    gpuBackend,
    kernels,
    noTune,
    dtype,
  },
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
