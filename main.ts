#!/usr/bin/env bun
/** The command line: each command is one call. What a command does is told in the file it imports. */
import { cac } from "cac";
import { missingPermission, runtime } from "#platform/process.ts";
import { adapterIn } from "./beyond/lora/peft.ts";
import { provideBuiltIns } from "./beyond/own/provide.ts";
import { straySignal } from "./beyond/own/strays.ts";
import { diskError } from "./beyond/platform/files.ts";
import { modelPath, RunFolder, runOf } from "./beyond/runs/folder.ts";
import { VERSION } from "./beyond/runs/versions.ts";
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
} from "./beyond/settings/arguments.ts";
import {
  checkGroups,
  dataGroups,
  exportGroups,
  makeGroups,
  mergeGroups,
  newGroups,
} from "./beyond/settings/files.ts";
import type { FlagGroups } from "./beyond/settings/flags.ts";
import { helpSections } from "./beyond/settings/help.ts";
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
} from "./beyond/settings/measuring.ts";
import { nearest } from "./beyond/settings/nearest.ts";
import {
  planGroups,
  sampleBaseGroups,
  sftGroups,
  type TrainSettings,
  trainGroups,
} from "./beyond/settings/training.ts";
import { programName } from "./beyond/terminal/program.ts";
import { inOneLine } from "./beyond/terminal/quoted.ts";
import { UserError } from "./lib/errors.ts";

interface Command {
  usage: string;
  summary: string;
  flags: FlagGroups;
  /** Flags that its help begins with. */
  first?: string[];
  run: (args: string[]) => Promise<unknown>;
}

const storedSettings = (run: string) => RunFolder.open(run).readConfig<TrainSettings>().settings;

const adapterOf = (model: string) => adapterIn(modelPath(model));

const settingsOfRun = (model: string) => {
  const run = runOf(model);
  return run && { settings: run.readConfig("check --model").settings, file: run.configPath };
};

const commands: Record<string, Command> = {
  train: {
    usage: "train <data.jsonl>",
    summary: "Post-train a model by reinforcement learning with outcome-based exploration.",
    flags: trainGroups,
    first: (
      "model outcome maxSteps numEpochs promptsPerStep numGenerations maxCompletionLength learningRate loraRank " +
      "explore evalFile outputDir resume"
    ).split(" "),
    run: async (args) => {
      const { methodsIn } = await import("./beyond/own/methods.ts");
      const own = await methodsIn(args, storedSettings);
      const settings = trainSettings(args, storedSettings, adapterOf, own);
      return (await import("./beyond/commands/train.ts")).train(settings, interruption());
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
      const settings = sftSettings(args, storedSettings, adapterOf);
      return (await import("./beyond/commands/sft.ts")).sft(settings, interruption());
    },
  },
  plan: {
    usage: "plan [data.jsonl]",
    summary: "Show the memory train would take, and the settings with which it fits.",
    flags: planGroups,
    run: async (args) => {
      const { methodsIn } = await import("./beyond/own/methods.ts");
      const settings = planSettings(args, await methodsIn(args, storedSettings));
      return (await import("./beyond/commands/plan.ts")).plan(settings);
    },
  },
  sample: {
    usage: 'sample "<question>" ...',
    summary: "Print completions of questions, with the outcome of each.",
    flags: sampleGroups,
    first: "model numGenerations maxCompletionLength temperature showPrompt".split(" "),
    run: async (args) => {
      const settings = sampleSettings(args, settingsOfRun);
      return (await import("./beyond/commands/sample.ts")).sample(settings);
    },
  },
  chat: {
    usage: "chat <model|run>",
    summary: "Talk with a model.",
    flags: chatGroups,
    first: "model systemPrompt temperature maxCompletionLength maxLength".split(" "),
    run: async (args) => {
      const settings = chatSettings(args, settingsOfRun);
      return (await import("./beyond/commands/chat.ts")).chat(settings);
    },
  },
  "sample-base": {
    usage: "sample-base <data.jsonl>",
    summary: "Draw from the model what a run of train would draw, and learn nothing.",
    flags: sampleBaseGroups,
    run: async (args) => {
      const settings = sampleBaseSettings(args, storedSettings);
      return (await import("./beyond/commands/sample-base.ts")).sampleBase(
        settings,
        interruption(),
      );
    },
  },
  eval: {
    usage: "eval <data.jsonl>",
    summary: "Measure pass@k and the diversity of answers.",
    flags: evalGroups,
    first: "model compare numSamples k temperature maxCompletionLength output".split(" "),
    run: async (args) => {
      const settings = evalSettings(args, settingsOfRun);
      return (await import("./beyond/commands/evaluate.ts")).evaluate(settings);
    },
  },
  compare: {
    usage: "compare <experiment.yaml>",
    summary: "Train several methods with several seeds, evaluate them, and say what differs.",
    flags: compareGroups,
    run: async (args) => {
      const settings = compareSettings(args);
      return (await import("./beyond/compare/compare.ts")).compare(settings, interruption());
    },
  },
  report: {
    usage: "report <run> ...",
    summary: "Write what happened in some runs as one page of charts.",
    flags: reportGroups,
    run: async (args) => {
      const settings = reportSettings(args);
      return (await import("./beyond/report/report.ts")).report(settings);
    },
  },
  watch: {
    usage: "watch <run> ...",
    summary: "Show the report of a run in the browser while it goes on.",
    flags: watchGroups,
    run: async (args) => {
      const settings = watchSettings(args);
      return (await import("./beyond/watch/watch.ts")).watch(settings, interruption());
    },
  },
  playground: {
    usage: "playground",
    summary: "Train the embedded model in the browser, on a page that explains itself.",
    flags: playgroundGroups,
    run: async (args) => {
      const settings = playgroundSettings(args);
      const { playground } = await import("./beyond/playground/serve.ts");
      return playground(settings, interruption());
    },
  },
  bandit: {
    usage: "bandit",
    summary: "Play the bandits of the theory: why exploration counts outcomes.",
    flags: banditGroups,
    run: async (args) => {
      const settings = banditSettings(args);
      return (await import("./beyond/bandit/play.ts")).bandit(settings);
    },
  },
  data: {
    usage: "data <file> [<file>]",
    summary: "Check a file of questions, and what it shares with another one.",
    flags: dataGroups,
    run: async (args) => {
      const settings = dataSettings(args);
      return (await import("./beyond/commands/check-data.ts")).checkData(settings);
    },
  },
  judge: {
    usage: "judge <file>",
    summary: "Judge completions that something else sampled, from a file or over HTTP.",
    flags: judgeGroups,
    run: async (args) => {
      const settings = judgeSettings(args);
      return (await import("./beyond/commands/judge.ts")).judge(settings, interruption());
    },
  },
  worker: {
    usage: "worker",
    summary: "One GPU of a cluster: train --ray starts it, and speaks with it.",
    flags: {},
    run: async (args) => {
      if (args.length > 0) throw new UserError("worker takes no options; train --ray starts it");
      return (await import("./beyond/cluster/worker.ts")).worker();
    },
  },
  "data make": {
    usage: "data make <task>",
    summary: "Write rows of a built-in task: arithmetic or countdown.",
    flags: makeGroups,
    run: async (args) => {
      const settings = makeSettings(args);
      return (await import("./beyond/commands/make-data.ts")).makeData(settings);
    },
  },
  new: {
    usage: "new <bonus|advantage|outcome|reward> <file.ts>",
    summary: "Begin a file of your own code, with the types that an editor shows.",
    flags: newGroups,
    run: async (args) => {
      const settings = newSettings(args);
      return (await import("./beyond/commands/new.ts")).begin(settings);
    },
  },
  check: {
    usage: "check <file.ts>",
    summary: "Try a file of your own code on a worked example.",
    flags: checkGroups,
    run: async (args) => {
      const settings = checkSettings(args);
      return (await import("./beyond/commands/check-own.ts")).checkOwn(settings);
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
      if (pushed) (await import("./beyond/export/push.ts")).requirePushable(pushed);
      if (gguf) {
        const { exportModel } = await import("./beyond/export/model.ts");
        await exportModel({ ...settings, gguf });
      }
      if (rollouts) {
        const { exportRollouts } = await import("./beyond/export/rollouts.ts");
        await exportRollouts(settings.model, rollouts);
      }
      if (pushed) await (await import("./beyond/export/push.ts")).push(pushed);
    },
  },
  merge: {
    usage: "merge <run>",
    summary: "Fold a LoRA run's adapter into its base: a full model in a new folder.",
    flags: mergeGroups,
    run: async (args) => {
      const settings = mergeSettings(args);
      return (await import("./beyond/export/merge.ts")).merge(settings);
    },
  },
  gpu: {
    usage: "gpu",
    summary: "Show the adapter, its speed, and a self-test of every kernel; for bug reports.",
    flags: gpuGroups,
    run: async (args) => {
      const settings = gpuSettings(args);
      return (await import("./beyond/commands/gpu-report.ts")).gpuReport(settings);
    },
  },
};

/** Aborts at the first Ctrl-C, so that work can be saved; the second ends the process at once. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130);
    process.exitCode = 130;
    controller.abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  // the terminal was closed
  process.on("SIGHUP", interrupt);
  return AbortSignal.any([controller.signal, straySignal]);
}

/** The commands as cac knows them, which writes their help. */
function commandLine() {
  const cli = cac(programName()).version(VERSION);
  for (const [name, { usage, summary }] of Object.entries(commands)) {
    const command = cli.command(name, summary).usage(`${usage} [options]`);
    command.rawName = usage; // as it is listed; cac takes a name to end at the first bracket
  }
  return cli.help((sections) => {
    const { matchedCommandName: name = "" } = cli;
    const usage = sections.filter(({ title }) => title === "Usage");
    if (!Object.hasOwn(commands, name)) {
      const what = `rlexplore ${VERSION}: reinforcement learning with outcome-based exploration`;
      const listed = sections.filter(({ title }) => title === "Commands");
      const more = `${programName()} <command> --help lists the options of a command, ${programName()} --version the versions.`;
      return [{ body: what }, ...usage, ...listed, { body: more }];
    }
    const { summary, flags, first } = commands[name];
    return [{ body: summary }, ...usage, ...helpSections(flags, first)];
  });
}

async function main(args: string[]): Promise<void> {
  if (args[0] === "help" && args.length > 1) return main([...args.slice(1), "--help"]);
  const isTwoWords = args[0] === "data" && args[1] === "make";
  const [name = "--help", ...rest] = isTwoWords ? ["data make", ...args.slice(2)] : args;
  const end = rest.indexOf("--");
  const asksHelp = (end < 0 ? rest : rest.slice(0, end)).some((arg) => /^(--help|-h)$/.test(arg));
  if (/^(--version|-v)$/.test(name)) {
    // cac would name the version of Node that the runtime stands in for
    const { name, version } = runtime;
    return console.log(
      `rlexplore ${VERSION} (${name} ${version}, ${process.platform}-${process.arch})`,
    );
  }
  const isGlobal = /^(--help|-h|help)$/.test(name);
  if (isGlobal || (asksHelp && Object.hasOwn(commands, name))) {
    const asked = isGlobal ? ["--help"] : [name, "--help"];
    commandLine().parse(["", "", ...asked], { run: false });
    return;
  }
  if (!Object.hasOwn(commands, name)) {
    const near = nearest(name, Object.keys(commands));
    const fix = near ? `did you mean ${near}?` : `${programName()} --help lists those there are`;
    throw new UserError(`unknown command ${name}; ${fix}`);
  }
  await commands[name].run(rest);
}

// a reader that leaves, as in `rlexplore train ... | head`, or a full disk must not cost the run
process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
  if (code === "EPIPE" || process.exitCode === 2) return;
  process.exitCode = 2;
  console.error(`rlexplore: the output cannot be written (${code}); is the disk full?`);
});

/** What is no mistake of the program's, wherever it came up, as a `UserError`. */
function outside(error: unknown): unknown {
  // only what was read is as deep as that
  if (error instanceof RangeError && /call stack/.test(error.message)) {
    return new UserError(
      "something that was read is nested too deep (RLEXPLORE_DEBUG=1 shows where); it is damaged or hostile: get it again",
    );
  }
  const permission = missingPermission(error);
  if (permission !== null) return new UserError(permission);
  return diskError(error, (error as NodeJS.ErrnoException)?.path ?? "a file");
}

provideBuiltIns();
try {
  await main(process.argv.slice(2));
} catch (raw) {
  const error = outside(raw);
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const debug = process.env.RLEXPLORE_DEBUG === "1";
  const mistaken = error instanceof UserError;
  const hint = mistaken || debug ? "" : " (RLEXPLORE_DEBUG=1 shows where)";
  console.error(`rlexplore: ${inOneLine(message)}${hint}`);
  if (debug) console.error((raw as Error)?.stack ?? stack);
  process.exitCode = mistaken ? 2 : 1;
}
