/**
 * Countdown, the task people know from TinyZero and GRPO-Zero: reach a target with some numbers, each used
 * exactly once, and + - * /. Many expressions are right; the answer given is one of them.
 */
import { UserError } from "../../lib/errors.ts";
import type { Random } from "../../lib/random.ts";

export interface CountdownSettings {
  /** How many numbers a task has: one of these, each as often. */
  numbers: readonly number[];
  /** Numbers are drawn from minNumber to maxNumber, and targets lie between minTarget and maxTarget. */
  minNumber: number;
  maxNumber: number;
  minTarget: number;
  maxTarget: number;
}

/** The ranges of TinyZero's script, with as many numbers as its published tasks have. */
export const COUNTDOWN: CountdownSettings = {
  numbers: [3, 4],
  minNumber: 1,
  maxNumber: 100,
  minTarget: 1,
  maxTarget: 1000,
};

export interface CountdownRow {
  question: string;
  /** An expression that is right. */
  answer: string;
  nums: number[];
  target: number;
}

/** The words of TinyZero (github.com/Jiayi-Pan/TinyZero), for any model. */
export const countdownQuestion = (numbers: readonly unknown[], target: unknown) =>
  `Using the numbers [${numbers.join(", ")}], create an equation that equals ${target}. You can use ` +
  "basic arithmetic operations (+, -, *, /) and each number can only be used once. Show your work in " +
  "<think> </think> tags. And return the final answer in <answer> </answer> tags, for example " +
  "<answer> (1 + 2) / 3 </answer>.";

/** A value and the expression it comes from. */
export interface Term {
  value: number;
  text: string;
  /** A sum or difference, which stands in brackets within others. */
  loose: boolean;
}

/** One task: numbers put together at random; drawn again unless what they make can be a target. */
export function drawCountdown(random: Random, settings: CountdownSettings): CountdownRow {
  const { numbers, minNumber, maxNumber, minTarget, maxTarget } = settings;
  // the count is drawn once, so that tasks with more numbers, which fit less often, are not rarer
  const count = random.pick(numbers);
  for (let attempt = 0; attempt < 100_000; attempt++) {
    const nums = Array.from(
      { length: count },
      () => minNumber + random.int(maxNumber - minNumber + 1),
    );
    const { value, text } = randomExpression(nums, random);
    if (!(value >= minTarget && value <= maxTarget)) continue;
    return { question: countdownQuestion(nums, value), answer: text, nums, target: value };
  }
  throw new UserError(
    `hardly any ${count} numbers from ${minNumber} to ${maxNumber} reach a target from ${minTarget} to ${maxTarget}; widen one of them`,
  );
}

/** Numbers put together at random until they are one. */
export function randomExpression(numbers: readonly number[], random: Random): Term {
  const terms = random.shuffle(
    numbers.map((n): Term => ({ value: n, text: `${n}`, loose: false })),
  );
  while (terms.length > 1) {
    const [a, b] = random.shuffle(terms).splice(-2);
    terms.push(combine(a, b, random));
  }
  return terms[0];
}

/** Two terms by an operation whose result is a whole number from 0, as people play it. */
function combine(a: Term, b: Term, random: Random): Term {
  const [large, small] = a.value >= b.value ? [a, b] : [b, a];
  const divides = small.value > 0 && large.value % small.value === 0;
  const op = random.pick(divides ? ["+", "-", "*", "/"] : ["+", "-", "*"]);
  const tight = ({ text, loose }: Term) => (loose ? `(${text})` : text);
  if (op === "+") return { value: a.value + b.value, text: `${a.text} + ${b.text}`, loose: true };
  if (op === "-") {
    const text = `${large.text} - ${tight(small)}`;
    return { value: large.value - small.value, text, loose: true };
  }
  if (op === "*") {
    return { value: a.value * b.value, text: `${tight(a)} * ${tight(b)}`, loose: false };
  }
  // a product or quotient below the line needs brackets of its own
  const below = /[*/]/.test(small.text) && !small.loose ? `(${small.text})` : tight(small);
  return { value: large.value / small.value, text: `${tight(large)} / ${below}`, loose: false };
}
