/** The settings of the commands that read and write files of data and of models. */
import type { Kind } from "../own/starts.ts";
import { COUNTDOWN } from "../tasks/countdown.ts";
import type { TaskName } from "../tasks/tasks.ts";
import {
  choice,
  type FlagGroups,
  integer,
  numbers,
  optional,
  type SettingsIn,
  text,
  toggle,
} from "./flags.ts";
import {
  dataFields,
  hubData,
  OURS,
  outcome,
  outcomeTimeout,
  prompting,
  sampling,
  showing,
  skipBad,
} from "./shared.ts";

const TINYZERO = "TinyZero's script";

export const dataGroups = {
  "What is read": {
    split: hubData.split,
    subset: hubData.subset,
    evalSplit: optional(
      text("", "name", "Compare with this split of the same data set of the hub.", "none"),
    ),
    ...dataFields,
    skipBad,
  },
  "What it is read for": {
    outcome,
    outcomeTimeout,
    model: optional(
      text("", "model", "Measure prompts in tokens of this model, as in train.", "characters"),
    ),
    maxCompletionLength: sampling.maxCompletionLength,
    ...prompting,
    showPrompt: optional(
      integer(
        1,
        { min: 1 },
        "Print the first prompts as --model gets them, special tokens included.",
        "none",
      ),
    ),
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
    push: optional(
      text(
        "",
        "name",
        "Upload the model, or what --gguf writes of it, to this name on the hub: org/name.",
        "nothing is uploaded",
      ),
    ),
    public: toggle("Make a new repository of --push public; otherwise it is private."),
    type: choice(
      "f16",
      ["f16", "q8_0", "q4_0", "q4_1", "source"],
      "Of a GGUF file's matrices; vectors stay in float32. q8_0 takes half the space, q4_0 and q4_1 a quarter or a little more (embedding and head are q8_0). source: each as in the GGUF file that the model is, or was trained from.",
      "nearest to what was trained",
    ),
    ollama: toggle(
      "Write a Modelfile for `ollama create` beside --gguf: template, system prompt, stops and sampling.",
    ),
  },
} satisfies FlagGroups;

export const mergeGroups = {
  Options: {
    outputDir: text("", "folder", "Where the merged model is written; it must not exist yet.", ""),
  },
} satisfies FlagGroups;

/** `new` and `check` take their arguments alone. */
export const newGroups = {} satisfies FlagGroups;
export const checkGroups = {} satisfies FlagGroups;

export interface NewSettings {
  kind: Kind;
  file: string;
}
export interface CheckSettings {
  file: string;
}

/** `files` are one or two. */
export type DataSettings = SettingsIn<typeof dataGroups> & { files: string[] };
export type MakeSettings = SettingsIn<typeof makeGroups> & { task: TaskName };

/** One of `gguf`, `rollouts` and `push` is given, or `gguf` and `push`; `model` is a run for `rollouts`. */
export type ExportSettings = SettingsIn<typeof exportGroups> & { model: string };
/** `model` is the run or the folder with a LoRA. */
export type MergeSettings = SettingsIn<typeof mergeGroups> & { model: string };
