// Judges the table of answer pairs, tests/answers/answer-pairs.jsonl, and lists every failure:
//   node scripts/bun.js scripts/answers.ts [judgements.jsonl of another judge]
// or tests of another judge, {gold, completion, equal, kind} a line, and lists what we judge otherwise, by kind:
//   node scripts/bun.js scripts/answers.ts tests tests.jsonl
// The other judge is math-verify, both are made by scripts/math-verify.py.
import { findStated, lastNumber } from "../beyond/answers/extract.ts";
import { openJudge } from "../beyond/answers/outcome.ts";

export interface Pair {
  kind: string;
  gold: string;
  answer: string;
  equal: boolean;
}

export async function readPairs(): Promise<Pair[]> {
  const file = Bun.file(new URL("../tests/answers/answer-pairs.jsonl", import.meta.url));
  const lines = (await file.text()).trim().split("\n");
  return lines.flatMap((line) => {
    const { kind, gold, equal, different } = JSON.parse(line);
    return [
      ...equal.map((answer: string) => ({ kind, gold, answer, equal: true })),
      ...different.map((answer: string) => ({ kind, gold, answer, equal: false })),
    ];
  });
}

/** Whether an answer in a box earns the reward of a row. */
export async function isRight(gold: string, answer: string): Promise<boolean> {
  return await isPaid(gold, answer.includes("\\boxed") ? answer : `\\boxed{${answer}}`);
}

async function isPaid(gold: string, text: string): Promise<boolean> {
  const math = await openJudge("math");
  const row = { question: "q", answer: gold, line: 1 };
  const right = math.gold(row);
  if (right === null) return false;
  return (await math.judge([{ text, truncated: false }], { row, gold: right }))[0].correct;
}

/**
 * A completion as we would have it: what marks no answer is put in a box, up to the last formula or number, which
 * is where math-verify looks.
 */
function marked(completion: string): string {
  if (findStated(completion)) return completion;
  if (completion.length < 25) return `\\boxed{${completion.replace(/^Answer /, "")}}`;
  const formulas = [...completion.matchAll(/\$\$?([^$]+)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]/gs)];
  const formula = formulas.at(-1);
  const behind = completion.slice(formula ? formula.index + formula[0].length : 0);
  const text = formula?.slice(1).find((one) => one !== undefined);
  return `\\boxed{${lastNumber(behind)?.text ?? text ?? completion}}`;
}

/** In some tests every backslash is doubled. */
const single = (text: string) =>
  text.includes("\\begin") ? text : text.replace(/\\\\(?=[a-zA-Z{}(),;])/g, "\\");

async function judgeTests(path: string): Promise<void> {
  const tests = (await Bun.file(path).text()).trim().split("\n");
  const otherwise = new Map<string, number>();
  for (const line of tests) {
    const { kind, gold, completion, equal } = JSON.parse(line);
    const said = await isPaid(single(gold), marked(single(completion)));
    if (said === equal) continue;
    otherwise.set(kind, (otherwise.get(kind) ?? 0) + 1);
    const stated = findStated(marked(single(completion)))?.text ?? "";
    console.log(
      `${said ? "only we" : "only they"}  ${kind}: ${gold.slice(-100)}  |  ${stated.slice(-100)}`,
    );
  }
  for (const [kind, count] of otherwise) console.log(`${kind}: ${count}`);
  console.log(`${tests.length} tests`);
}

if (import.meta.main && process.argv[2] === "tests") await judgeTests(process.argv[3]);
else if (import.meta.main) {
  const pairs = await readPairs();
  const other = process.argv[2] ? (await Bun.file(process.argv[2]).text()).trim().split("\n") : [];
  const ours = { right: 0, wronglyEqual: 0, wronglyDifferent: 0, found: 0, theirs: 0, agree: 0 };
  for (const [i, { kind, gold, answer, equal }] of pairs.entries()) {
    const said = await isRight(gold, answer);
    const theirs = other.length > 0 ? JSON.parse(other[i]) === true : said;
    if (said === equal) ours.right++;
    if (said && equal) ours.found++;
    if (said && !equal) ours.wronglyEqual++;
    if (!said && equal) ours.wronglyDifferent++;
    if (theirs === equal) ours.theirs++;
    if (theirs === said) ours.agree++;
    const verdict = said === equal ? "" : said ? "wrongly equal" : "wrongly different";
    if (verdict) console.log(`${verdict}  ${kind}: ${gold}  |  ${answer}`);
    if (theirs !== said)
      console.log(`math-verify says ${theirs}, we ${said}  ${kind}: ${gold}  |  ${answer}`);
  }
  const same = pairs.filter(({ equal }) => equal).length;
  console.log(`${pairs.length} pairs, ${same} equal: ${ours.right} judged right`);
  console.log(
    `precision ${(ours.found / (ours.found + ours.wronglyEqual)).toFixed(4)}, recall ${(ours.found / same).toFixed(4)}`,
  );
  if (other.length > 0)
    console.log(`math-verify: ${ours.theirs} judged right; agreement ${ours.agree}`);
}
