#!/usr/bin/env bun
import { RunFolder, runOf } from "./beyond/runs/folder.ts";
import {
  banditSettings,
  compareSettings,
  dataSettings,
  evalSettings,
  exportSettings,
  gpuSettings,
  makeSettings,
  mergeSettings,
  planSettings,
  reportSettings,
  sampleBaseSettings,
  sampleSettings,
  sftSettings,
  trainSettings,
  watchSettings,
} from "./beyond/settings/arguments.ts";
import { dataGroups, exportGroups, makeGroups, mergeGroups } from "./beyond/settings/files.ts";
import type { FlagGroups } from "./beyond/settings/flags.ts";
import { describeFlags } from "./beyond/settings/help.ts";
import {
  banditGroups,
  compareGroups,
  evalGroups,
  gpuGroups,
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
/** The command line: each command is one call. What a command does is told in the file it imports. */
import { UserError } from "./lib/errors.ts";
import { version } from "./package.json" with { type: "json" };

interface Command {
  usage: string;
  summary: string;
  flags: FlagGroups;
  run: (args: string[]) => Promise<void>;
}

const storedSettings = (run: string) => RunFolder.open(run).readConfig<TrainSettings>().settings;

const settingsOfRun = (model: string) => {
  const run = runOf(model);
  return run && { settings: run.readConfig("check --model").settings, file: run.configPath };
};

const commands: Record<string, Command> = {
  train: {
    usage: "train <data.jsonl>",
    summary: "Post-train a model by reinforcement learning with outcome-based exploration.",
    flags: trainGroups,
    async run(args) {
      const settings = trainSettings(args, storedSettings);
      const { train } = await import("./beyond/commands/train.ts");
      await train(settings, interruption());
    },
  },
  sft: {
    usage: "sft <data.jsonl>",
    summary: "Train a model on prompts and completions, such as a format warm-up before train.",
    flags: sftGroups,
    async run(args) {
      const settings = sftSettings(args);
      const { sft } = await import("./beyond/commands/sft.ts");
      await sft(settings, interruption());
    },
  },
  plan: {
    usage: "plan [data.jsonl]",
    summary: "Show the memory train would take, and the settings with which it fits.",
    flags: planGroups,
    async run(args) {
      const settings = planSettings(args);
      const { plan } = await import("./beyond/commands/plan.ts");
      await plan(settings);
    },
  },
  sample: {
    usage: 'sample "<question>" ...',
    summary: "Print completions of questions, with the outcome of each.",
    flags: sampleGroups,
    async run(args) {
      const settings = sampleSettings(args, settingsOfRun);
      const { sample } = await import("./beyond/commands/sample.ts");
      await sample(settings);
    },
  },
  "sample-base": {
    usage: "sample-base <data.jsonl>",
    summary: "Draw from the model what a run of train would draw, and learn nothing.",
    flags: sampleBaseGroups,
    async run(args) {
      const settings = sampleBaseSettings(args, storedSettings);
      const { sampleBase } = await import("./beyond/commands/sample-base.ts");
      await sampleBase(settings, interruption());
    },
  },
  eval: {
    usage: "eval <data.jsonl>",
    summary: "Measure pass@k and the diversity of answers.",
    flags: evalGroups,
    async run(args) {
      const settings = evalSettings(args, settingsOfRun);
      const { evaluate } = await import("./beyond/commands/evaluate.ts");
      await evaluate(settings);
    },
  },
  compare: {
    usage: "compare <experiment.yaml>",
    summary: "Train several methods with several seeds, evaluate them, and say what differs.",
    flags: compareGroups,
    async run(args) {
      const settings = compareSettings(args);
      const { compare } = await import("./beyond/compare/compare.ts");
      await compare(settings, interruption());
    },
  },
  report: {
    usage: "report <run> ...",
    summary: "Write what happened in some runs as one page of charts.",
    flags: reportGroups,
    async run(args) {
      const settings = reportSettings(args);
      const { report } = await import("./beyond/report/report.ts");
      await report(settings);
    },
  },
  watch: {
    usage: "watch <run> ...",
    summary: "Show the report of a run in the browser while it goes on.",
    flags: watchGroups,
    async run(args) {
      const settings = watchSettings(args);
      const { watch } = await import("./beyond/report/watch.ts");
      await watch(settings, interruption());
    },
  },
  bandit: {
    usage: "bandit",
    summary: "Play the bandits of the theory: why exploration counts outcomes.",
    flags: banditGroups,
    async run(args) {
      const settings = banditSettings(args);
      const { bandit } = await import("./beyond/bandit/play.ts");
      await bandit(settings);
    },
  },
  data: {
    usage: "data <file> [<file>]",
    summary: "Check a file of questions, and what it shares with another one.",
    flags: dataGroups,
    async run(args) {
      const settings = dataSettings(args);
      const { checkData } = await import("./beyond/commands/check-data.ts");
      await checkData(settings);
    },
  },
  "data make": {
    usage: "data make <task>",
    summary: "Write rows of a built-in task: arithmetic or countdown.",
    flags: makeGroups,
    async run(args) {
      const settings = makeSettings(args);
      const { makeData } = await import("./beyond/commands/make-data.ts");
      await makeData(settings);
    },
  },
  export: {
    usage: "export <model|run>",
    summary: "Write a model as a GGUF file, or a run's rollouts as JSON lines or Parquet.",
    flags: exportGroups,
    async run(args) {
      const { gguf, rollouts, ...settings } = exportSettings(args);
      if (gguf) {
        const { exportModel } = await import("./beyond/export/model.ts");
        await exportModel({ ...settings, gguf });
      }
      if (rollouts) {
        const { exportRollouts } = await import("./beyond/export/rollouts.ts");
        await exportRollouts(settings.model, rollouts);
      }
    },
  },
  merge: {
    usage: "merge <run>",
    summary: "Fold a LoRA run's adapter into its base: a full model in a new folder.",
    flags: mergeGroups,
    async run(args) {
      const settings = mergeSettings(args);
      const { merge } = await import("./beyond/export/merge.ts");
      await merge(settings);
    },
  },
  gpu: {
    usage: "gpu",
    summary: "Show the adapter, its speed, and a self-test of every kernel; for bug reports.",
    flags: gpuGroups,
    async run(args) {
      const settings = gpuSettings(args);
      const { gpuReport } = await import("./beyond/commands/gpu-report.ts");
      await gpuReport(settings);
    },
  },
};

const overview = () => `rlexplore ${version}: reinforcement learning with outcome-based exploration

Usage: rlexplore <command> [options]

Commands:
${Object.values(commands)
  .map(({ usage, summary }) => `  ${usage.padEnd(26)}${summary}`)
  .join("\n")}

rlexplore <command> --help lists the options of a command, rlexplore --version the versions.`;

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
  return controller.signal;
}

async function main([first, ...rest]: string[]): Promise<void> {
  const twoWords = first === "data" && rest[0] === "make";
  const [name, args] = twoWords ? ["data make", rest.slice(1)] : [first, rest];
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    return console.log(overview());
  }
  if (name === "--version" || name === "-v") {
    return console.log(
      `rlexplore ${version} (bun ${Bun.version}, ${process.platform}-${process.arch})`,
    );
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    const near = nearest(name, Object.keys(commands));
    const fix = near ? `did you mean ${near}?` : "rlexplore --help lists those there are";
    throw new UserError(`unknown command ${name}; ${fix}`);
  }
  const literal = args.indexOf("--");
  const flags = literal < 0 ? args : args.slice(0, literal);
  if (flags.includes("--help") || flags.includes("-h")) {
    const { usage, summary } = command;
    const help = describeFlags(command.flags);
    return console.log(`${summary}\n\nUsage: rlexplore ${usage} [options]\n\n${help}`);
  }
  await command.run(args);
}

// a reader that leaves, as in `rlexplore train ... | head`, or a full disk must not cost the run
process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
  if (code === "EPIPE" || process.exitCode === 2) return;
  process.exitCode = 2;
  console.error(`rlexplore: the output cannot be written (${code}); is the disk full?`);
});

try {
  await main(process.argv.slice(2));
} catch (error) {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const debug = process.env.RLEXPLORE_DEBUG === "1";
  const mistaken = error instanceof UserError;
  const hint = mistaken || debug ? "" : " (RLEXPLORE_DEBUG=1 shows where)";
  console.error(`rlexplore: ${message.replace(/\s*\n\s*/g, " ")}${hint}`);
  if (debug) console.error(stack);
  process.exitCode = mistaken ? 2 : 1;
}
