/** Multiple choice: a letter, or an option spelled out. */
import type { Row } from "../rows.ts";
import { mathKey } from "./math/canonical.ts";

/** The options of a row by letter: from its `choices` or `options`, or as "(A) ... (B) ..." in the question. */
export function optionsOf(row: Row): Map<string, string> {
  const listed = row.fields?.choices ?? row.fields?.options;
  // some data sets wrap them: { label: [...], text: [...] }
  const texts = isRecord(listed) ? (listed.text ?? Object.values(listed)) : listed;
  if (Array.isArray(texts)) {
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

/** The letter an answer names; null if it is neither a letter nor one of the options. */
export function choiceLetter(answer: string, options: Map<string, string>): string | null {
  const text = answer
    .replace(/\\(?:text|textbf|mathrm|mathbf|boxed)\s*\{|[{}$*]|\\[()[\]]/g, "")
    .trim()
    .slice(0, 1000);
  const named = LETTER.exec(text)?.[1].toUpperCase();
  if (named !== undefined && (options.size === 0 || options.has(named))) return named;
  const key = mathKey(text);
  for (const [name, option] of options) if (mathKey(option) === key && key !== null) return name;
  // MMLU and its like give the place in the list
  return /^\d$/.test(text) && options.has(letter(Number(text))) ? letter(Number(text)) : null;
}
