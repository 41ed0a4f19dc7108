/** The plain judge: final answers that are numbers, or else compared as they are written. */
import type { AnswerForm, Asked, Completed, Judge, Judgement } from "./judge.ts";

/** Where answers are marked, the most deliberate mark first; where none is, the last number is taken. */
const MARKS: readonly (readonly [form: AnswerForm, pattern: RegExp])[] = [
  ["boxed", /\\boxed\{([^{}]*)\}/g],
  ["hashes", /####([^\n]*)/g],
  ["hash", /#([^\n#]*)/g],
  ["last-number", /(-?\d[\d,]*(?:\.\d+)?)/g],
];

/** The last answer of a text, and where it stands: [start, end). */
function finalAnswer(text: string) {
  for (const [form, pattern] of MARKS) {
    const match = [...text.matchAll(pattern)].pop();
    const answer = match?.[1].trim();
    if (!match || !answer) continue;
    const start = match.index + match[0].lastIndexOf(answer);
    return { form, answer, start, end: start + answer.length };
  }
  return null;
}

/** 1,200 and 1200.0 are one outcome; what is no number stands for itself. */
function canonical(answer: string): string {
  const value = Number(answer.replaceAll(",", ""));
  return Number.isFinite(value) ? String(value) : answer;
}

const NO_ANSWER: Judgement = {
  outcome: null,
  correct: false,
  form: null,
  paid: [],
  answerStart: null,
  answerEnd: null,
};

function judgeOne({ text, truncated }: Completed, { gold }: Asked): Judgement {
  const found = truncated ? null : finalAnswer(text);
  if (!found) return NO_ANSWER;
  const outcome = canonical(found.answer);
  const place = { answerStart: found.start, answerEnd: found.end };
  return { ...NO_ANSWER, outcome, correct: outcome === gold, form: found.form, ...place };
}

export const plainJudge: Judge = {
  gold({ answer }) {
    const text = answer.trim();
    const marked = finalAnswer(text);
    const isBare = marked === null || marked.form === "last-number";
    return text === "" ? null : canonical(isBare ? text : marked.answer);
  },
  judge: async (completions, asked) => completions.map((one) => judgeOne(one, asked)),
  remember: () => {},
};
