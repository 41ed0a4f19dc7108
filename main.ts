#!/usr/bin/env bun
/** The command line: what is asked for, its help, and what is said when it fails. */
import { cac } from "cac";
import { missingPermission, onOutputError, runtime } from "#platform/process.ts";
import { commands } from "./beyond/commands/commands.ts";
import { provideBuiltIns } from "./beyond/own/provide.ts";
import { diskError } from "./beyond/platform/files.ts";
import { VERSION } from "./beyond/runs/versions.ts";
import { helpSections } from "./beyond/settings/help.ts";
import { nearest } from "./beyond/settings/nearest.ts";
import { programName } from "./beyond/terminal/program.ts";
import { inOneLine } from "./beyond/terminal/quoted.ts";
import { UserError } from "./lib/errors.ts";

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
onOutputError((code) => {
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
