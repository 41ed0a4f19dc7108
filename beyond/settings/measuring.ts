/** The settings of the commands that measure and show. */
import {
  type FlagGroups,
  integer,
  MOST_COMPLETIONS,
  number,
  numbers,
  optional,
  type SettingsIn,
  text,
  texts,
  toggle,
} from "./flags.ts";
import {
  baseDtype,
  cluster,
  dataFields,
  dtype,
  gpu,
  gpuBackend,
  hubData,
  kernels,
  model,
  noTune,
  OURS,
  outcome,
  outcomeTimeout,
  prompting,
  sampling,
  seed,
  showing,
  skipBad,
  thinkTags,
} from "./shared.ts";

const question = texts(
  "text",
  "Draw the treasure map of this question, or of the one with this text in it; may be given several times.",
  "those that tell most",
);

const chartsFolder = optional(
  text("", "folder", "Also write each chart there, as an SVG file.", "none"),
);

/** A model that is asked. */
const ofRun = {
  ...model,
  help: `${model.help} What is not given is as in the run that it is of: outcome, prompts, lengths, sampling.`,
};

export const sampleGroups = {
  Options: {
    model: ofRun,
    outcome,
    outcomeTimeout,
    thinkTags,
    numGenerations: {
      ...integer(1, { min: 1, max: MOST_COMPLETIONS }, "Completions of each question.", OURS),
      short: "n",
    },
    ...prompting,
    ...sampling,
    baseDtype,
    showPrompt: toggle(
      "Print what the model gets, special tokens included, instead of the question.",
    ),
    seed,
    gpu,
    gpuBackend,
    kernels,
    noTune,
    dtype,
    json: showing.json,
  },
} satisfies FlagGroups;

const { samplingBatchSize: _rows, kvCacheTokens: _tokens, ...ofOneReply } = sampling;

export const chatGroups = {
  Options: {
    model: optional({ ...ofRun, source: "the argument" }),
    ...prompting,
    systemPrompt: {
      ...prompting.systemPrompt,
      short: "system",
      help: "System message before the conversation.",
    },
    promptTemplate: {
      ...prompting.promptTemplate,
      help: "Each of your turns; {question} stands for what you said.",
    },
    ...ofOneReply,
    maxLength: optional(
      integer(
        2,
        { min: 2 },
        "Most tokens of the conversation, the reply included: bounds the memory of the KV cache.",
        "4096, or the model's context if that is less",
      ),
    ),
    maxCompletionLength: {
      ...sampling.maxCompletionLength,
      help: "Most tokens in a reply.",
      source: "half of --max-length",
    },
    baseDtype,
    seed,
    gpu,
    gpuBackend,
    kernels,
    noTune,
    dtype,
    json: { ...showing.json, help: "Print one JSON object a turn instead of its reply." },
  },
} satisfies FlagGroups;

export const evalGroups = {
  Options: {
    model: ofRun,
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
    thinkTags,
    ...hubData,
    ...dataFields,
    skipBad,
    numSamples: integer(
      64,
      { min: 1, max: MOST_COMPLETIONS },
      "Completions of each question.",
      "for pass@64",
    ),
    k: numbers(
      integer(1, { min: 1 }, "The k of pass@k.", "powers of two, as in the paper"),
      [1, 2, 4, 8, 16, 32, 64],
    ),
    output: {
      ...optional(
        text(
          "",
          "file",
          "Where the counts of each question are written, as JSON; with --compare in two files of the default names.",
          "a new <run>/evaluations/<data>-<step>.eval.json, or evaluations/<data>-<model>.json",
        ),
      ),
      short: "o",
    },
    ...prompting,
    ...sampling,
    baseDtype,
    seed,
    ...showing,
    ...cluster,
    gpu,
    gpuBackend,
    kernels,
    noTune,
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
    speculativeRollouts: sampling.speculativeRollouts,
    ...showing,
    ray: {
      ...cluster.ray,
      help: "Make the runs side by side over a Ray cluster, each on one worker: its address, auto, or local for one on this machine.",
    },
    workers: { ...cluster.workers, help: "Runs at a time." },
    gpusPerNode: cluster.gpusPerNode,
    gpu,
    gpuBackend,
    kernels,
    noTune,
  },
} satisfies FlagGroups;

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

const port = integer(
  0,
  { min: 0, max: 65535 },
  "Port on 127.0.0.1; 0 takes one that is free.",
  "any that is free",
);

export const watchGroups = {
  Options: {
    port,
    question,
  },
} satisfies FlagGroups;

export const playgroundGroups = {
  Options: {
    port: integer(
      8422,
      { min: 0, max: 65535 },
      "Port of the page, which finds the runs that it kept at the same one; 0 is any that is free.",
      OURS,
    ),
  },
} satisfies FlagGroups;

export const judgeGroups = {
  Options: {
    serve: toggle("Judge what is posted to 127.0.0.1 instead of a file, until Ctrl-C."),
    port: integer(8421, { min: 0, max: 65535 }, "Port of --serve; 0 is any that is free.", OURS),
    outcome: text("math", "kind", "How answers are found and compared, as in train.", "math"),
    outcomeTimeout,
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

export const gpuGroups = {
  Options: {
    gpu,
    gpuBackend,
    kernels,
    tune: toggle(
      "Measure every kernel for attention and matrix products at the shapes of a model, show the speeds, and " +
        "keep the choice in the user's cache folder: it is used from then on, by new runs alone.",
    ),
    model: { ...model, help: "The model that --tune is for: any that train takes." },
    dtype: { ...dtype, help: "What --tune takes weights and activations to be stored in." },
  },
} satisfies FlagGroups;

/** `told` says what is as in the run that the model is of, and what is not. */
export type SampleSettings = SettingsIn<typeof sampleGroups> & {
  questions: string[];
  told: string[];
};
export type ChatSettings = SettingsIn<typeof chatGroups> & { model: string; told: string[] };
/** `k` is ascending and at most `numSamples`; `told` as above. */
export type EvalSettings = SettingsIn<typeof evalGroups> & {
  data: string;
  told: string[];
};

/** `file` describes the experiment. */
export type CompareSettings = SettingsIn<typeof compareGroups> & { file: string };

/** `runs` are folders of runs, or folders with runs in them. */
export type ReportSettings = SettingsIn<typeof reportGroups> & { runs: string[] };
export type WatchSettings = SettingsIn<typeof watchGroups> & { runs: string[] };
export type PlaygroundSettings = SettingsIn<typeof playgroundGroups>;
export type JudgeSettings = SettingsIn<typeof judgeGroups> & { file: string };
export type BanditSettings = SettingsIn<typeof banditGroups>;
export type GpuSettings = SettingsIn<typeof gpuGroups>;
