import { type Flag, type FlagGroups, optionName } from "./flags.ts";

/** The help of a command's flags, section by section, each default with its source. */
export function describeFlags(groups: FlagGroups): string {
  return Object.entries(groups)
    .map(([title, flags]) => {
      const lines = Object.entries(flags).map(([key, flag]) => {
        const short = flag.short ? `-${flag.short}, ` : "";
        const head = `  ${short}--${optionName(key)}${flag.value ? ` <${flag.value}>` : ""}`;
        const body = wrap([flag.help, ...defaultsOf(flag)].join(" "), 68, " ".repeat(30));
        return head.length < 29 ? head.padEnd(30) + body : `${head}\n${" ".repeat(30)}${body}`;
      });
      return [`${title}:`, ...lines].join("\n");
    })
    .join("\n\n");
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
