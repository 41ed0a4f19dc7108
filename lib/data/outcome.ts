/**
 * From the text of a completion to its outcome: find the final answer, bring it to canonical form,
 * compare it with the right one. Exploration counts outcomes, so two spellings of one number must
 * be one outcome (1/2, 0.5, \frac12), and text that states no answer has the outcome `null`.
 */

/** Characters from `start` to before `end` of the text that was searched. */
export type Span = { text: string; start: number; end: number };

export type Judgement = {
  /** Canonical form of the final answer, or null when the completion states none. */
  outcome: string | null;
  reward: 0 | 1;
  /** Where the answer stands in the completion, in UTF-16 units: [start, end). Null without one. */
  answerStart: number | null;
  answerEnd: number | null;
};

/** An answer longer than this is no answer, and its digits are never given to BigInt. */
const MAX_ANSWER = 1000;

/**
 * Judges one completion. `gold` is the canonical right answer (`goldOutcome`). A completion cut off
 * before its stop token is `truncated`: whatever it says, it has not stated its final answer.
 */
export function judge(completion: string, gold: string, truncated = false): Judgement {
  const answer = truncated ? null : findAnswer(completion);
  const outcome = answer === null ? null : canonical(answer.text);
  if (answer === null || outcome === null) {
    return { outcome: null, reward: 0, answerStart: null, answerEnd: null };
  }
  const reward = outcome === gold ? 1 : 0;
  return { outcome, reward, answerStart: answer.start, answerEnd: answer.end };
}

/**
 * The canonical form of a data row's answer, which is either the bare answer or a worked solution
 * ending in one ("... so 72 #### 72"). Null when it is empty or longer than 1,000 characters.
 */
export function goldOutcome(answer: string): string | null {
  return canonical(findAnswer(answer)?.text ?? answer);
}

/**
 * The final answer stated in a text. The most deliberate marking wins: the last balanced
 * \boxed{...}, then <answer>...</answer>, then the line after the last ####, then after the last
 * "the answer is", then after the last #.
 */
export function findAnswer(text: string): Span | null {
  return (
    lastBoxed(text) ??
    lastTagged(text) ??
    lineAfter(text, text.lastIndexOf("####"), 4) ??
    answerPhrase(text) ??
    lineAfter(text, text.lastIndexOf("#"), 1)
  );
}

/** One pass with a stack of open braces, so that unbalanced text costs no more than other text. */
function lastBoxed(text: string): Span | null {
  const open: number[] = [];
  let best: Span | null = null;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "\\" && /[{}\\]/.test(text[i + 1] ?? "")) i++;
    else if (c === "{") open.push(i + 1);
    else if (c === "}") {
      const start = open.pop() ?? 0;
      const isBoxed = text.endsWith("\\boxed{", start) || text.endsWith("\\fbox{", start);
      if (start > 0 && isBoxed && start > (best?.start ?? 0))
        best = trimmed(text, start, i) ?? best;
    }
  }
  return best;
}

function lastTagged(text: string): Span | null {
  const end = text.lastIndexOf("</answer>");
  const start = end < 0 ? -1 : text.lastIndexOf("<answer>", end);
  return start < 0 ? null : trimmed(text, start + "<answer>".length, end);
}

function answerPhrase(text: string): Span | null {
  let last = -1;
  for (const match of text.matchAll(/\banswer is\b:?/gi)) last = match.index + match[0].length;
  if (last < 0) return null;
  const line = lineAfter(text, last, 0);
  if (line === null) return null;
  const sentence = line.text.search(/[.!?](\s|$)/);
  return sentence < 0 ? line : trimmed(text, line.start, line.start + sentence);
}

/** What follows a marker of `length` characters at `at`, to the end of its line. */
function lineAfter(text: string, at: number, length: number): Span | null {
  if (at < 0) return null;
  const newline = text.indexOf("\n", at + length);
  return trimmed(text, at + length, newline < 0 ? text.length : newline);
}

function trimmed(text: string, start: number, end: number): Span | null {
  const raw = text.slice(start, end);
  const content = raw.trim();
  if (content === "") return null;
  const from = start + raw.indexOf(content);
  return { text: content, start: from, end: from + content.length };
}

/**
 * The canonical form of an answer: a plain number becomes an exact reduced fraction ("1/2", "-7"),
 * other text is freed of what does not change its meaning ($...$, case, white space, a final stop).
 * Null when nothing is left or the answer is longer than 1,000 characters.
 */
export function canonical(answer: string): string | null {
  if (answer.length > MAX_ANSWER) return null;
  const text = stripMarkup(answer);
  return rational(text) ?? (text.replace(/\s+/g, " ").toLowerCase() || null);
}

function stripMarkup(answer: string): string {
  let text = answer
    .trim()
    .replace(/[\u2212\u2013\uFE63\uFF0D]/g, "-")
    .replace(/\\(left|right|displaystyle|[!,;: ])(?![a-z])/g, "")
    .replace(/\\[dt]frac(?![a-z])/g, "\\frac")
    .replaceAll("{,}", ",");
  for (;;) {
    const next = text
      .replace(/^(?:\*\*|__)([\s\S]*)(?:\*\*|__)$/, "$1")
      .replace(/^\$+([^$]*)\$+$/, "$1")
      .replace(/^\\[([]([\s\S]*)\\[)\]]$/, "$1")
      .replace(/^\\(?:text|textbf|mathrm|boxed)\{([^{}]*)\}$/, "$1")
      .replace(/\.$/, "")
      .trim();
    if (next === text) return text;
    text = next;
  }
}

const DIGITS = String.raw`(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+`;
const NUMBER = new RegExp(String.raw`^([+-]?)\s*\\?\$?\s*(${DIGITS})\s*(\\?%)?$`);
const FRACTION = new RegExp(
  String.raw`^([+-]?)\s*(?:([+-]?(?:${DIGITS}))\s*/\s*([+-]?(?:${DIGITS}))|` +
    String.raw`\\frac\s*(?:\{\s*([+-]?(?:${DIGITS}))\s*\}|(\d))\s*(?:\{\s*([+-]?(?:${DIGITS}))\s*\}|(\d)))$`,
);

/** "p" or "p/q" in lowest terms for a decimal, fraction or percentage; null for anything else. */
function rational(text: string): string | null {
  const number = NUMBER.exec(text);
  if (number !== null) {
    const [p, q] = decimal(`${number[1]}${number[2]}`);
    return reduced(p, number[3] ? q * 100n : q);
  }
  const fraction = FRACTION.exec(text);
  if (fraction === null) return null;
  const [a, b] = decimal((fraction[2] ?? fraction[4] ?? fraction[5]) as string);
  const [c, d] = decimal((fraction[3] ?? fraction[6] ?? fraction[7]) as string);
  const p = a * d;
  return c === 0n ? null : reduced(fraction[1] === "-" ? -p : p, b * c);
}

/** Numerator and denominator of digits with an optional sign, thousands commas and a point. */
function decimal(text: string): [bigint, bigint] {
  const [whole = "", part = ""] = text.replaceAll(",", "").replace(/^[+-]/, "").split(".");
  const p = BigInt(whole + part);
  return [text.startsWith("-") ? -p : p, 10n ** BigInt(part.length)];
}

function reduced(p: bigint, q: bigint): string {
  let [a, b] = [p < 0n ? -p : p, q < 0n ? -q : q];
  while (b !== 0n) [a, b] = [b, a % b];
  const [top, bottom] = q < 0n ? [-p / a, -q / a] : [p / a, q / a];
  return bottom === 1n ? `${top}` : `${top}/${bottom}`;
}
