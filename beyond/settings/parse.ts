import { cac } from "cac";
import { UserError } from "../../lib/errors.ts";
import { type FlagGroups, type Flags, flagsOf, optionName } from "./flags.ts";
import { addFlags } from "./help.ts";
import { nearest, REMARKS } from "./nearest.ts";

/**
 * cac makes numbers of what looks like one, takes what begins with a dash for a flag, and an empty text for none.
 * With this before it, every text stays what was typed: what it means is the flag's own matter.
 */
const MARK = "\u0001";
const unmarked = (text: unknown) => String(text).slice(MARK.length);

/**
 * Reads the arguments of one command. Nothing is ignored: an unknown flag, a missing or unusable value
 * and a value for a switch are errors. `given` tells what the user typed from what is a default, and
 * `texts` has it as it was typed.
 */
export function parseFlags(groups: FlagGroups, args: string[]) {
  const flags = flagsOf(groups);
  const cli = cac();
  const command = cli.command("[...arguments]", "", { ignoreOptionDefaultValue: true });
  addFlags(command, groups);
  const { marked, names } = markTexts(flags, args);
  const { args: words, options } = cli.parse(["", "", ...marked], { run: false });
  const texts = new Map<string, string[]>();
  for (const [key, { value }] of Object.entries(flags)) {
    // cac reads --no-tune as tune, turned off
    const off = /^no([A-Z])(.*)$/.exec(key);
    const typed = off
      ? options[off[1].toLowerCase() + off[2]] === false || undefined
      : options[key];
    if (typed !== undefined) texts.set(key, [typed].flat().map(value ? unmarked : () => ""));
  }
  const given: Record<string, unknown> = {};
  for (const [key, values] of texts) {
    try {
      given[key] = flags[key].parse(values);
    } catch (error) {
      throw new UserError(`${names.get(key)} ${(error as Error).message}`);
    }
  }
  return { flags, given, positionals: words.map(unmarked), texts };
}

/** The arguments with each flag's value joined to it, and every text marked; and what each flag was called. */
function markTexts(flags: Flags, args: readonly string[]) {
  const keys = new Map(Object.keys(flags).map((key) => [optionName(key), key]));
  for (const [key, { short }] of Object.entries(flags)) if (short) keys.set(short, key);
  const marked: string[] = [];
  const names = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const [, typed, joined, short] = /^(--[^=]*|-[^-])(?:=(.*)|(.+))?$/s.exec(args[i]) ?? [];
    const inline = joined ?? short;
    if (args[i] === "--") {
      return { marked: [...marked, ...args.slice(i + 1).map((text) => MARK + text)], names };
    }
    if (typed === undefined) {
      marked.push(MARK + args[i]);
      continue;
    }
    const name = typed.replace(/^--?/, "");
    const key = keys.get(name);
    if (
      key === undefined ||
      (typed.startsWith("--") && name.length === 1 && name !== optionName(key))
    ) {
      const hint = nearest(name, [...keys.keys()]);
      const remark = REMARKS[name.replaceAll("_", "-")] ?? "";
      const fix = hint ? `did you mean --${hint}?${remark}` : "see --help for those there are";
      throw new UserError(`unknown flag ${typed}; ${fix}`);
    }
    names.set(key, typed);
    const { value } = flags[key];
    if (!value) {
      if (inline !== undefined) throw new UserError(`${typed} takes no value`);
      marked.push(`--${optionName(key)}`);
      continue;
    }
    const text = inline ?? args[++i];
    if (text === undefined || (inline === undefined && /^--[a-z]/.test(text))) {
      throw new UserError(`${typed} needs a value: <${value}>`);
    }
    marked.push(`--${optionName(key)}=${MARK}${text}`);
  }
  return { marked, names };
}
