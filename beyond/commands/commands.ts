/** The commands: each is one call, told in the file that it imports when it is asked for. */
import { UserError } from "../../lib/errors.ts";
import { whereOwnFilesAre } from "../own/moved.ts";
import { adapterOf, RunFolder, runOf } from "../runs/folder.ts";
import {
  banditSettings,
  chatSettings,
  checkSettings,
  compareSettings,
  dataSettings,
  evalSettings,
  exportSettings,
  gpuSettings,
  judgeSettings,
  makeSettings,
  mergeSettings,
  newSettings,
  planSettings,
  playgroundSettings,
  reportSettings,
  sampleBaseSettings,
  sampleSettings,
  sftSettings,
  trainSettings,
  watchSettings,
} from "../settings/arguments.ts";
import {
  checkGroups,
  dataGroups,
  exportGroups,
  makeGroups,
  mergeGroups,
  newGroups,
} from "../settings/files.ts";
import type { FlagGroups } from "../settings/flags.ts";
import {
  banditGroups,
  chatGroups,
  compareGroups,
  evalGroups,
  gpuGroups,
  judgeGroups,
  playgroundGroups,
  reportGroups,
  sampleGroups,
  watchGroups,
} from "../settings/measuring.ts";
import {
  planGroups,
  sampleBaseGroups,
  sftGroups,
  type TrainSettings,
  trainGroups,
} from "../settings/training.ts";
import { interruption } from "../terminal/interruption.ts";

interface Command {
  usage: string;
  summary: string;
  flags: FlagGroups;
  /** Flags that its help begins with. */
  first?: string[];
  run: (args: string[]) => Promise<unknown>;
}

/** Reads the settings of a run that arguments go on with. */
const storedFor = (args: readonly string[]) => (run: string) =>
  whereOwnFilesAre(RunFolder.open(run).readConfig<TrainSettings>().settings, args);

const settingsOfRun = (model: string) => {
  const run = runOf(model);
  return run && { settings: run.readConfig("check --model").settings, file: run.configPath };
};

export const commands: Record<string, Command> = {
  train: {
    usage: "train <data.jsonl>",
    summary: "Post-train a model by reinforcement learning with outcome-based exploration.",
    flags: trainGroups,
    first: (
      "model outcome maxSteps numEpochs promptsPerStep numGenerations maxCompletionLength learningRate loraRank " +
      "explore evalFile outputDir resume"
    ).split(" "),
    run: async (args) => {
      const { methodsIn } = await import("../own/methods.ts");
      const readStored = storedFor(args);
      const own = await methodsIn(args, readStored);
      const settings = trainSettings(args, readStored, adapterOf, own);
      return (await import("./train.ts")).train(settings, interruption());
    },
  },
  sft: {
    usage: "sft <data.jsonl>",
    summary: "Train a model on prompts and completions, such as a format warm-up before train.",
    flags: sftGroups,
    first:
      "model numTrainEpochs maxSteps rowsPerStep learningRate loraRank evalFile outputDir resume".split(
        " ",
      ),
    run: async (args) => {
      const settings = sftSettings(args, storedFor(args), adapterOf);
      return (await import("./sft.ts")).sft(settings, interruption());
    },
  },
  plan: {
    usage: "plan [data.jsonl]",
    summary: "Show the memory train would take, and the settings with which it fits.",
    flags: planGroups,
    run: async (args) => {
      const { methodsIn } = await import("../own/methods.ts");
      const settings = planSettings(args, await methodsIn(args, storedFor(args)));
      return (await import("./plan.ts")).plan(settings);
    },
  },
  sample: {
    usage: 'sample "<question>" ...',
    summary: "Print completions of questions, with the outcome of each.",
    flags: sampleGroups,
    first: "model numGenerations maxCompletionLength temperature showPrompt".split(" "),
    run: async (args) => {
      const settings = sampleSettings(args, settingsOfRun);
      return (await import("./sample.ts")).sample(settings);
    },
  },
  chat: {
    usage: "chat <model|run>",
    summary: "Talk with a model.",
    flags: chatGroups,
    first: "model systemPrompt temperature maxCompletionLength maxLength".split(" "),
    run: async (args) => {
      const settings = chatSettings(args, settingsOfRun);
      return (await import("./chat.ts")).chat(settings);
    },
  },
  "sample-base": {
    usage: "sample-base <data.jsonl>",
    summary: "Draw from the model what a run of train would draw, and learn nothing.",
    flags: sampleBaseGroups,
    run: async (args) => {
      const settings = sampleBaseSettings(args, storedFor(args));
      return (await import("./sample-base.ts")).sampleBase(settings, interruption());
    },
  },
  eval: {
    usage: "eval <data.jsonl>",
    summary: "Measure pass@k and the diversity of answers.",
    flags: evalGroups,
    first: "model compare numSamples k temperature maxCompletionLength output".split(" "),
    run: async (args) => {
      const settings = evalSettings(args, settingsOfRun);
      return (await import("./evaluate.ts")).evaluate(settings);
    },
  },
  compare: {
    usage: "compare <experiment.yaml>",
    summary: "Train several methods with several seeds, evaluate them, and say what differs.",
    flags: compareGroups,
    run: async (args) => {
      const settings = compareSettings(args);
      return (await import("../compare/compare.ts")).compare(settings, interruption());
    },
  },
  report: {
    usage: "report <run> ...",
    summary: "Write what happened in some runs as one page of charts.",
    flags: reportGroups,
    run: async (args) => {
      const settings = reportSettings(args);
      return (await import("../report/report.ts")).report(settings);
    },
  },
  watch: {
    usage: "watch <run> ...",
    summary: "Show the report of a run in the browser while it goes on.",
    flags: watchGroups,
    run: async (args) => {
      const settings = watchSettings(args);
      return (await import("../watch/watch.ts")).watch(settings, interruption());
    },
  },
  playground: {
    usage: "playground",
    summary: "Train the embedded model in the browser, on a page that explains itself.",
    flags: playgroundGroups,
    run: async (args) => {
      const settings = playgroundSettings(args);
      const { playground } = await import("../playground/serve.ts");
      return playground(settings, interruption());
    },
  },
  bandit: {
    usage: "bandit",
    summary: "Play the bandits of the theory: why exploration counts outcomes.",
    flags: banditGroups,
    run: async (args) => {
      const settings = banditSettings(args);
      return (await import("../bandit/play.ts")).bandit(settings);
    },
  },
  data: {
    usage: "data <file> [<file>]",
    summary: "Check a file of questions, and what it shares with another one.",
    flags: dataGroups,
    run: async (args) => {
      const settings = dataSettings(args);
      return (await import("./check-data.ts")).checkData(settings);
    },
  },
  judge: {
    usage: "judge <file>",
    summary: "Judge completions that something else sampled, from a file or over HTTP.",
    flags: judgeGroups,
    run: async (args) => {
      const settings = judgeSettings(args);
      return (await import("./judge.ts")).judge(settings, interruption());
    },
  },
  worker: {
    usage: "worker",
    summary: "One GPU of a cluster: train --ray starts it, and speaks with it.",
    flags: {},
    run: async (args) => {
      if (args.length > 0) throw new UserError("worker takes no options; train --ray starts it");
      return (await import("../cluster/worker.ts")).worker();
    },
  },
  "data make": {
    usage: "data make <task>",
    summary: "Write rows of a built-in task: arithmetic or countdown.",
    flags: makeGroups,
    run: async (args) => {
      const settings = makeSettings(args);
      return (await import("./make-data.ts")).makeData(settings);
    },
  },
  new: {
    usage: "new <bonus|advantage|outcome|reward> <file.ts>",
    summary: "Begin a file of your own code, with the types that an editor shows.",
    flags: newGroups,
    run: async (args) => {
      const settings = newSettings(args);
      return (await import("./new.ts")).begin(settings);
    },
  },
  check: {
    usage: "check <file.ts>",
    summary: "Try a file of your own code on a worked example.",
    flags: checkGroups,
    run: async (args) => {
      const settings = checkSettings(args);
      return (await import("./check-own.ts")).checkOwn(settings);
    },
  },
  export: {
    usage: "export <model|run>",
    summary:
      "Write a model as a GGUF file, or a run's rollouts as JSON lines or Parquet; or upload a model.",
    flags: exportGroups,
    async run(args) {
      const { gguf, rollouts, push: name, ...settings } = exportSettings(args);
      const pushed = name ? { ...settings, gguf, push: name } : null;
      if (pushed) (await import("../export/push.ts")).requirePushable(pushed);
      if (gguf) {
        const { exportModel } = await import("../export/model.ts");
        await exportModel({ ...settings, gguf });
      }
      if (rollouts) {
        const { exportRollouts } = await import("../export/rollouts.ts");
        await exportRollouts(settings.model, rollouts);
      }
      if (pushed) await (await import("../export/push.ts")).push(pushed);
    },
  },
  merge: {
    usage: "merge <run>",
    summary: "Fold a LoRA run's adapter into its base: a full model in a new folder.",
    flags: mergeGroups,
    run: async (args) => {
      const settings = mergeSettings(args);
      return (await import("../export/merge.ts")).merge(settings);
    },
  },
  gpu: {
    usage: "gpu",
    summary: "Show the adapter, its speed, and a self-test of every kernel; for bug reports.",
    flags: gpuGroups,
    run: async (args) => {
      const settings = gpuSettings(args);
      return (await import("./gpu-report.ts")).gpuReport(settings);
    },
  },
};
