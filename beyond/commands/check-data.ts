import { textOf } from "../../lib/data/questions.ts";
import { UserError } from "../../lib/errors.ts";
import { openJudge } from "../answers/outcome.ts";
import { type AskedRow, DataCheck, type Finding } from "../datasets/check.ts";
import { type DataSource, isBad, readsWholeRow, scanRows } from "../datasets/rows.ts";
import type { Prompter } from "../models/chat.ts";
import { problemOf } from "../opening/earnable.ts";
import { openNamedModel, prompterOf } from "../opening/named-model.ts";
import { openData, outcomeOf } from "../opening/questions.ts";
import type { DataSettings } from "../settings/files.ts";
import { histogram, type Summary, summarise } from "../terminal/histogram.ts";
import { fill, Progress } from "../terminal/progress.ts";
import { quoted } from "../terminal/quoted.ts";

/** How long prompts are, in tokens of the model, or in characters where no model is named. */
interface Lengths extends Summary {
  unit: "tokens" | "characters";
  measured: number[];
  longestLine: number;
  /** Tokens that the context leaves for a prompt, and the questions that have more. */
  room: number | null;
  /** Tokens that it keeps for the completion. */
  completion: number;
  tooLong: Finding<{ line: number; tokens: number }>;
  /** Questions that the tokenizer cannot spell. */
  strange: Finding<{ line: number; problem: string }>;
}

interface Checked {
  name: string;
  check: DataCheck;
  lengths: Lengths;
}

/** `rlexplore data`: what a file holds, and what is wrong with it, before hours are spent on it. */
export async function checkData(asked: DataSettings): Promise<void> {
  const progress = new Progress({ total: 0, quiet: false, json: asked.json });
  const sources = await sourcesOf(asked);
  const outcomeName = await outcomeOf(asked, sources[0], (text) => progress.note(text));
  const given = { ...asked, outcome: outcomeName };
  const outcome = await openJudge(given.outcome, given.outcomeTimeout);
  const model = given.model === null ? null : await openNamedModel(given.model, { weights: false });
  const named = { ...given, model: given.model ?? "" };
  const prompter = model && prompterOf(model, named, (text) => progress.note(text));
  const context = model?.config.maxPositionEmbeddings ?? 0;
  const completion = given.maxCompletionLength ?? Math.min(256, context >> 1);

  if (given.showPrompt !== null && !prompter) {
    throw new UserError("--show-prompt shows what a model gets: name it with --model");
  }

  const checked: Checked[] = [];
  const first: AskedRow[] = [];
  for (const source of sources) {
    const check = new DataCheck(outcome, given.outcome !== "countdown", checked[0]?.check);
    await readAll(source, given, check, progress, first);
    if (check.usable === 0) throw nothingUsable(source.name, check, given.outcome);
    progress.activity(`${source.name}: measuring prompts`);
    const lengths = measure(check, prompter, model ? context - completion : null, completion);
    checked.push({ name: source.name, check, lengths });
  }
  progress.end();
  const prompts = prompter ? first.map((row) => promptOf(prompter, row, sources[0].name)) : [];
  if (given.json) {
    for (const one of checked) console.log(JSON.stringify({ type: "data", ...asJson(one) }));
    for (const one of prompts) console.log(JSON.stringify({ type: "prompt", ...one }));
    return;
  }
  const columns = process.stdout.columns || 80;
  const parts = checked.map((one) => report(one, given, columns));
  if (checked.length === 2) parts.push(overlap(checked[0], checked[1]));
  const wrap = process.stdout.isTTY ? (line: string) => wrapped(line, columns - 1) : String;
  console.log(parts.map((lines) => lines.map(wrap).join("\n")).join("\n\n"));
  for (const { line, tokens, prompt } of prompts) {
    console.log(`\nthe prompt of line ${line}, ${number(tokens)} tokens:\n${prompt}`);
  }
}

/** A prompt as the model gets it. */
function promptOf(prompter: Prompter, { line, ...asked }: AskedRow, source: string) {
  const ids = prompter.encodePrompt(asked, `${source}:${line}`);
  return { line, tokens: ids.length, prompt: prompter.tokenizer.decode(ids, true) };
}

/** A line of a report in lines of a terminal: what goes on stands further in. */
function wrapped(line: string, width: number): string {
  const [first, ...rest] = fill(line.split(" "), " ", width);
  const indent = " ".repeat(line.search(/\S|$/) + 4);
  if (rest.length === 0) return first;
  return [
    first,
    ...fill(rest.join(" ").split(" "), " ", width - indent.length).map((l) => indent + l),
  ].join("\n");
}

async function sourcesOf({ files, split, subset, evalSplit }: DataSettings): Promise<DataSource[]> {
  const first = await openData(files[0], { split, subset });
  if (evalSplit !== null) return [first, await openData(files[0], { split: evalSplit, subset })];
  const others = files.slice(1).map((name) => openData(name, { split: null, subset: null }));
  return [first, ...(await Promise.all(others))];
}

async function readAll(
  source: DataSource,
  given: DataSettings,
  check: DataCheck,
  progress: Progress,
  first: AskedRow[],
): Promise<void> {
  const wholeRows = readsWholeRow(given.outcome);
  for await (const some of scanRows(source, { ...given, wholeRows })) {
    for (const row of some) {
      // as train counts: rows that are bad do not use it up
      if (check.rows - check.bad.count === given.limit) return;
      check.add(row, isBad(row) ? null : await problemOf(row, given));
      if (first.length < (given.showPrompt ?? 0) && !isBad(row)) first.push(row);
    }
    progress.activity(`${source.name}: ${check.rows.toLocaleString("en")} rows`);
  }
}

function nothingUsable(name: string, { rows, bad, unreadable }: DataCheck, outcome: string) {
  if (rows === 0) return new UserError(`${name}: the file is empty`);
  const why = bad.first[0]
    ? `line ${bad.first[0].line}: ${bad.first[0].problem}`
    : `line ${unreadable.first[0].line}: the answer ${quoted(unreadable.first[0].answer)} ${unreadable.first[0].problem} (--outcome ${outcome})`;
  return new UserError(`${name}: none of ${rows} rows can be used; ${why}`);
}

function measure(
  check: DataCheck,
  prompter: Prompter | null,
  room: number | null,
  completion: number,
): Lengths {
  const strange: Lengths["strange"] = { count: 0, first: [] };
  const tooLong: Lengths["tooLong"] = { count: 0, first: [] };
  const lengthOf = ({ line, ...asked }: AskedRow): number => {
    if (prompter === null) return textOf(asked).length;
    try {
      return prompter.encodePrompt(asked, `line ${line}`).length;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      strange.count++;
      if (strange.first.length < 3) strange.first.push({ line, problem: error.message });
      return -1;
    }
  };
  const seen = new Map<number, number>();
  const of = (asked: AskedRow) => {
    const length = seen.get(asked.line) ?? lengthOf(asked);
    seen.set(asked.line, length);
    return { line: asked.line, length };
  };
  const measured = check.sampled.toSorted((a, b) => a.line - b.line).map(of);
  let longest = measured[0];
  for (const one of [...measured, ...check.longestAsked.map(of)]) {
    const [more, less] = [one.length - longest.length, one.line - longest.line];
    if (more > 0 || (more === 0 && less < 0)) longest = one;
  }
  for (const [line, tokens] of [...seen].sort(([a], [b]) => a - b)) {
    if (room === null || tokens <= room) continue;
    tooLong.count++;
    if (tooLong.first.length < 3) tooLong.first.push({ line, tokens });
  }
  const lengths = measured.map(({ length }) => length).filter((length) => length >= 0);
  return {
    unit: prompter ? "tokens" : "characters",
    ...summarise(lengths.length > 0 ? lengths : [0]),
    measured: lengths,
    longest: longest.length,
    longestLine: longest.line,
    room,
    completion,
    tooLong,
    strange,
  };
}

const number = (n: number) => n.toLocaleString("en");

/** A heading with its count, the examples under it, and how many more there are. */
function listed<T>(heading: string, found: Finding<T>, show: (example: T) => string): string[] {
  if (found.count === 0) return [];
  const more = found.count - found.first.length;
  const lines = found.first.map((example) => `    ${show(example)}`);
  return [`  ${heading}`, ...lines, ...(more > 0 ? [`    and ${number(more)} more`] : [])];
}

const plural = (count: number, one: string, many: string) =>
  `${number(count)} ${count === 1 ? one : many}`;

function report({ name, check, lengths }: Checked, given: DataSettings, columns: number): string[] {
  const { rows, usable, bad, unreadable, repeated, contradicting, different } = check;
  const clean = bad.count + unreadable.count + repeated.count + contradicting.count === 0;
  const { outcome, model } = given;
  return [
    `${name}: ${plural(rows, "row", "rows")}, ${number(usable)} earnable, ${plural(different, "different question", "different questions")}`,
    ...(clean
      ? [`  every answer is one for --outcome ${outcome}, and no question comes twice`]
      : []),
    ...listed(
      `${plural(bad.count, "bad row", "bad rows")}, at which train stops unless --skip-bad leaves them out:`,
      bad,
      ({ line, problem }) => `line ${line}: ${problem}`,
    ),
    ...listed(
      `${plural(unreadable.count, "answer", "answers")} that no completion can earn with --outcome ${outcome}, at which train stops unless --skip-bad leaves them out:`,
      unreadable,
      ({ line, answer, problem }) => `line ${line}: ${quoted(answer)} ${problem}`,
    ),
    ...listed(
      `${plural(contradicting.count, "question comes", "questions come")} again with another answer:`,
      contradicting,
      ({ line, before, answer }) => `line ${line} answers line ${before} with ${quoted(answer)}`,
    ),
    ...listed(
      `${plural(repeated.count, "question comes", "questions come")} again with the same answer:`,
      repeated,
      ({ line, before }) => `line ${line} is line ${before}`,
    ),
    ...reportLengths(lengths, usable, model, columns),
  ];
}

function reportLengths(
  {
    unit,
    median,
    most,
    longest,
    longestLine,
    measured,
    room,
    completion,
    tooLong,
    strange,
  }: Lengths,
  usable: number,
  model: string | null,
  columns: number,
): string[] {
  if (measured.length === 0) {
    return listed("no prompt can be read by the model:", strange, ({ problem }) => problem);
  }
  const what = unit === "tokens" ? `prompts in tokens of ${model}` : "questions in characters";
  const part =
    measured.length + strange.count < usable ? `, by ${number(measured.length)} of them` : "";
  const spelled = listed(
    `${plural(strange.count, "question", "questions")} the model cannot read:`,
    strange,
    ({ problem }) => problem,
  );
  return [
    `  ${what}${part}: median ${number(median)}, 95% up to ${number(most)}, longest ${number(longest)} (line ${longestLine})`,
    ...histogram(measured, columns),
    ...(room !== null && tooLong.count === 0
      ? [
          `  all fit: with --max-completion-length ${completion} the context leaves ${number(room)} tokens`,
        ]
      : []),
    ...listed(
      `${plural(tooLong.count, "prompt exceeds", "prompts exceed")} the ${number(room ?? 0)} tokens that the context leaves with --max-completion-length ${completion}:`,
      tooLong,
      ({ line, tokens }) => `line ${line}: ${number(tokens)} tokens`,
    ),
    ...spelled,
    ...(unit === "characters" ? ["  --model shows them in tokens, and whether they fit"] : []),
  ];
}

/** What two data sets have in common. */
function overlap(first: Checked, second: Checked): string[] {
  const { shared, usable } = second.check;
  const how = "the same but for upper and lower case and white space";
  if (shared.count === 0) return [`no question is in both (${how})`];
  const share = ((100 * shared.count) / usable).toFixed(1);
  const [heading, ...examples] = listed(
    `${number(shared.count)} of ${second.name}'s ${number(usable)} questions (${share}%) are in ${first.name} too (${how}):`,
    shared,
    ({ line, other, question }) => `line ${line} is line ${other}: ${quoted(question)}`,
  );
  return [heading.trimStart(), ...examples];
}

const asJson = ({ name, check, lengths }: Checked) => {
  const { rows, usable, different, bad, unreadable, repeated, contradicting, shared } = check;
  const { measured, ...rest } = lengths;
  const findings = { bad, unreadable, repeated, contradicting, shared };
  return {
    name,
    rows,
    usable,
    different,
    ...findings,
    lengths: { ...rest, measured: measured.length },
  };
};
