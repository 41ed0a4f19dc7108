import type { Command } from "cac";
import { type Flag, type FlagGroups, type Flags, flagsOf, optionName } from "./flags.ts";

/** Tells cac of a command's flags. */
export function addFlags(command: Command, groups: FlagGroups): void {
  for (const [key, flag] of Object.entries(flagsOf(groups))) {
    command.option(headOf(key, flag), flag.help);
  }
}

/** The help of a command's flags for cac, section by section, each default with its source; `first` come first. */
export function helpSections(groups: FlagGroups, first: readonly string[] = []) {
  const all = flagsOf(groups);
  const most = Object.fromEntries(first.map((key) => [key, all[key]]));
  const rest = Object.entries(groups).map(([title, flags]) => {
    const others = Object.entries(flags).filter(([key]) => !first.includes(key));
    return [title, Object.fromEntries(others)] as const;
  });
  const sections: (readonly [string, Flags])[] = [["What most people need", most], ...rest];
  return sections
    .filter(([, flags]) => Object.keys(flags).length > 0)
    .map(([title, flags]) => ({ title, body: Object.entries(flags).map(describe).join("\n") }));
}

const headOf = (key: string, { short, value }: Flag<unknown>) =>
  `${short ? `${short.length > 1 ? "-" : ""}-${short}, ` : ""}--${optionName(key)}${value ? ` <${value}>` : ""}`;

function describe([key, flag]: [string, Flag<unknown>]): string {
  const head = `  ${headOf(key, flag)}`;
  const indent = " ".repeat(30);
  const body = wrap([flag.help, ...defaultsOf(flag)].join(" "), 68, indent);
  return head.length < 29 ? head.padEnd(30) + body : `${head}\n${indent}${body}`;
}

function defaultsOf({ default: value, embedded, lora, source }: Flag<unknown>): string[] {
  if (!source) return [];
  if (value === null || (Array.isArray(value) && value.length === 0))
    return [`Default: ${source}.`];
  const other = embedded === undefined ? "" : `; ${shown(embedded)} for the embedded model`;
  const adapted = lora === undefined ? "" : `; ${shown(lora)} with LoRA`;
  return [`Default ${shown(value)} (${source})${adapted}${other}.`];
}

function shown(value: unknown): string {
  const tiny = typeof value === "number" && value !== 0 && Math.abs(value) < 1e-3;
  return tiny ? value.toExponential() : String(value);
}

function wrap(words: string, width: number, indent: string): string {
  const lines = [""];
  for (const word of words.split(" ")) {
    const line = lines[lines.length - 1];
    if (line && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines.join(`\n${indent}`);
}
