/** Multiple choice: a letter, or an option spelled out. */
import type { Judge, Row } from "../../lib/data/judge.ts";
import { findAnswer } from "./extract.ts";
import { judgement } from "./judgement.ts";
import { mathKey } from "./math/canonical.ts";
import { MAX_ANSWER } from "./math/number.ts";
import { judging } from "./thread.ts";

/** The row's `choices` or `options`, in order; null without. */
function listedOptions(row: Row): unknown[] | null {
  const listed = row.fields?.choices ?? row.fields?.options;
  // some data sets wrap them: { label: [...], text: [...] }
  const texts = isRecord(listed) ? (listed.text ?? Object.values(listed)) : listed;
  return Array.isArray(texts) ? texts : null;
}

/** What the options are called in the row, where it says so: A to D, or 1 to 4 as in some rows of ARC. */
function labelsOf(row: Row): string[] {
  const listed = row.fields?.choices ?? row.fields?.options;
  const labels = isRecord(listed) ? listed.label : null;
  return Array.isArray(labels) ? labels.map(String) : [];
}

/** Has the row its options in a field of their own? */
export const listsOptions = (row: Row): boolean => (listedOptions(row)?.length ?? 0) > 1;

/** The options of a row by letter: from its `choices` or `options`, or as "(A) ... (B) ..." in the question. */
function optionsOf(row: Row): Map<string, string> {
  const texts = listedOptions(row);
  if (texts) {
    return new Map(
      texts.map((text, i) => [letter(i), String(text).replace(/^\(?[A-Z][.):]\s+/, "")]),
    );
  }
  const options = new Map<string, string>();
  const pattern =
    /(?:^|[\s$])\\?(?:text(?:bf)?\{)?\(?([A-J])[).:]\s*\}?\s*(.*?)(?=\s+\\?(?:text(?:bf)?\{)?\(?[A-J][).:]|\n|$)/gs;
  for (const [, name, text] of row.question.slice(0, 20_000).matchAll(pattern)) {
    options.set(name, text.trim());
  }
  return options;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const letter = (i: number) => String.fromCharCode(65 + i);

const LETTER = /^(?:option|choice|answer)?\s*[([]?\s*([A-Ja-j])\s*(?:[)\].:]|$)/i;
const MARKUP = /\\(?:text|textbf|mathrm|mathbf|boxed)\s*\{|[{}$*]|\\[()[\]]/g;

/** An answer without markup, and the letter it names, if it does. */
function read(answer: string, options: Map<string, string>) {
  const text = answer.slice(0, MAX_ANSWER).replace(MARKUP, "").trim();
  const named = LETTER.exec(text)?.[1].toUpperCase();
  if (named !== undefined && (options.size === 0 || options.has(named))) return { text, named };
  return { text, named: null };
}

/** The letter of the option with this label. */
function byLabel(text: string, row: Row): string | null {
  const place = labelsOf(row).indexOf(text);
  return place < 0 ? null : letter(place);
}

/** MMLU and its like give the place in the list, from 0. */
function byPlace(text: string, options: Map<string, string>): string | null {
  return /^\d$/.test(text) && options.has(letter(Number(text))) ? letter(Number(text)) : null;
}

/** The letter an answer names; null if it is neither a letter nor one of the options. */
export const choice: Judge = {
  gold(row) {
    const options = optionsOf(row);
    const { text, named } = read(findAnswer(row.answer)?.text ?? row.answer, options);
    const called =
      byLabel(text, row) ?? named ?? (listsOptions(row) ? byPlace(text, options) : null);
    if (called !== null) return called;
    const key = mathKey(text);
    const spelled = [...options].find(([, option]) => key !== null && mathKey(option) === key);
    return spelled?.[0] ?? byPlace(text, options);
  },

  async judge(completions, { row, gold }) {
    const options = optionsOf(row);
    const answers = completions.map(({ text, truncated }) => (truncated ? null : findAnswer(text)));
    const reads = answers.map((answer) => {
      const one = answer && read(answer.text, options);
      return one && { ...one, named: byLabel(one.text, row) ?? one.named };
    });
    const spelled = reads.flatMap((one) => (one && one.named === null ? [one.text] : []));
    const letters = await spelledOut(spelled, options);
    const place = (text: string) => (labelsOf(row).length > 0 ? null : byPlace(text, options));
    return answers.map((answer, i) => {
      const one = reads[i];
      const outcome = one && (one.named ?? letters.get(one.text) ?? place(one.text));
      return judgement(answer, outcome, outcome === gold);
    });
  },

  remember: () => {},
};

/** The letters of the options that answers spell out: 0.5 for (A) \frac12. */
async function spelledOut(texts: readonly string[], options: Map<string, string>) {
  const letters = new Map<string, string>();
  if (texts.length === 0 || options.size === 0) return letters;
  const answers = [...options.values(), ...new Set(texts)];
  const outcomes = await judging.settle({ answers, known: [], unit: null });
  const names = [...options.keys()];
  for (const [i, text] of answers.entries()) {
    const option = outcomes.indexOf(outcomes[i]);
    if (i >= options.size && outcomes[i] !== null && option < options.size) {
      letters.set(text, names[option]);
    }
  }
  return letters;
}
