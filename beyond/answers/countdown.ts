/**
 * Countdown: reach a target with numbers, each used exactly once, and + - * /. An answer has at most 300
 * characters and no powers, so that it is judged at once.
 */
import type { Judge, Row } from "../../lib/data/judge.ts";
import { UserError } from "../../lib/errors.ts";
import { findStated } from "./extract.ts";
import { judgement } from "./judgement.ts";
import { plainLatex, unwrap } from "./math/clean.ts";
import { parse } from "./math/parse.ts";
import { isInteger, plus, power, type Rational, TooMuch, times } from "./math/rational.ts";
import { type Node, NotMath } from "./math/tree.ts";

/**
 * Any expression of the row's numbers that hits the target is right; each is an outcome of its own. Of a question that was
 * typed without numbers no answer is known to be right.
 */
export const countdown: Judge = {
  gold: (row) => countdownAnswer(row.answer, countdownTask(row))?.key ?? row.answer,
  async judge(completions, { row }) {
    const task = taskOf(row);
    return completions.map(({ text, truncated }) => {
      const answer = truncated ? null : findStated(text);
      const found = answer && countdownAnswer(answer.text, task);
      return judgement(answer, found?.key ?? null, found?.correct ?? false);
    });
  },
  remember: () => {},
};

interface Task {
  numbers: number[];
  target: number;
}

/** The numbers and the target of a row: `nums` or `numbers`, and `target`, at its top or in `metadata`. */
function countdownTask(row: Row): Task {
  const task = taskOf(row);
  if (task) return task;
  throw new UserError(
    `row ${row.line}: --outcome countdown needs "nums" (a list of whole numbers) and "target"`,
  );
}

export const isCountdown = (row: Row): boolean => taskOf(row) !== null;

function taskOf(row: Row): Task | null {
  const inside = row.fields?.metadata as Record<string, unknown> | undefined;
  const fields: Record<string, unknown> = { ...inside, ...row.fields };
  const numbers = fields.nums ?? fields.numbers;
  const target = Number(fields.target);
  const listed = Array.isArray(numbers) && numbers.every(Number.isSafeInteger);
  return listed && Number.isSafeInteger(target) ? { numbers, target } : null;
}

/** An expression as its key, and whether it is right for the task. Null for what is no such expression. */
function countdownAnswer(
  answer: string,
  task: Task | null,
): { key: string; correct: boolean } | null {
  if (answer.length > 300) return null;
  const used: bigint[] = [];
  try {
    const [expression] = plainLatex(unwrap(answer)).split("=");
    const tree = parse(expression);
    const value = compute(tree, used);
    const sorted = (list: (bigint | number)[]) => list.map(String).sort().join();
    const fair = task !== null && sorted(used) === sorted(task.numbers);
    return {
      key: orderless(tree),
      correct: fair && isInteger(value) && Number(value[0]) === task.target,
    };
  } catch (error) {
    if (error instanceof NotMath || error instanceof TooMuch || error instanceof RangeError)
      return null;
    throw error;
  }
}

function compute(tree: Node, used: bigint[]): Rational {
  if (tree.op === "number") {
    if (!isInteger(tree.value)) throw new NotMath("a fraction");
    used.push(tree.value[0]);
    return tree.value;
  }
  if (tree.op === "add") return tree.args.map((arg) => compute(arg, used)).reduce(plus);
  if (tree.op !== "multiply") throw new NotMath(tree.op);
  const [a, b] = tree.args;
  // the parser writes -b as -1 * b, and a / b as a * b^-1
  if (isMinusOne(a)) return times(a.op === "number" ? a.value : [1n, 1n], compute(b, used));
  if (b.op !== "power") return times(compute(a, used), compute(b, used));
  if (!isMinusOne(b.args[1])) throw new NotMath("a power");
  const top = compute(a, used);
  const bottom = compute(b.args[0], used);
  if (bottom[0] === 0n) throw new RangeError("a division by zero");
  return times(top, power(bottom, -1n));
}

const isMinusOne = (tree: Node) =>
  tree.op === "number" && tree.value[0] === -1n && tree.value[1] === 1n;

/** One text for all orders of the same sums and products. */
function orderless(tree: Node): string {
  if (tree.op === "number") return `${tree.value[0]}`;
  if (tree.op === "add") return `(${terms(tree, "add").map(orderless).sort().join("+")})`;
  if (tree.op === "multiply" && isMinusOne(tree.args[0])) return `-${orderless(tree.args[1])}`;
  if (tree.op === "multiply") return `(${terms(tree, "multiply").map(orderless).sort().join("*")})`;
  if (tree.op === "power") return `1/${orderless(tree.args[0])}`;
  throw new NotMath(tree.op);
}

const terms = (tree: Node, op: "add" | "multiply"): Node[] =>
  tree.op === op && !(op === "multiply" && isMinusOne(tree.args[0]))
    ? tree.args.flatMap((arg) => terms(arg, op))
    : [tree];
