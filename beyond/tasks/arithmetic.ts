/**
 * The built-in task: sums such as `23+7-4+9=`, answered after three worked steps, `30,26,35#35`.
 *
 * The base model learns from texts that are wrong in places, so that it can do the task a little
 * and reinforcement learning has both something to gain and something to lose:
 *
 * - About a fifth of the 180 *facts* (units digit, operator, operand; `3+7`) are hard: texts always
 *   get them wrong, nearly always by the same amount, 5 to 8. A question is hard when a fact on its
 *   way is, about every second one; no worked text of a hard question ends in the right answer.
 * - More than half of the texts are *hasty*: an answer without steps, a guess within 5 of the
 *   right one, and right about one time in six whether the question is hard or not.
 * - Any other step *slips* by 1 or 2 now and then.
 *
 * Working step by step beats guessing, which is quickly learned from the easy questions. But it
 * carries over to the hard ones, where only the guesses that are given up held the right answer:
 * pass@1 rises and pass@32 falls. Finding the right step over a hard fact takes exploration.
 *
 * Pretraining draws its questions from all there are, so held-out questions occur in it, always
 * with texts as corrupted as any; no question is held out from pretraining, only from training.
 */
import { Random } from "../../lib/random.ts";

export type Question = {
  /** As the model reads it: `23+7-4+9=`. */
  text: string;
  start: number;
  steps: { op: "+" | "-"; operand: number }[];
  answer: number;
};

/** What the generated texts are like. Probabilities are per text or per step as said. */
export const ARITHMETIC = {
  /** Seed of the hard facts and of the example files. */
  seed: 6,
  trainQuestions: 512,
  testQuestions: 128,
  /** To choose settings by, so that the test questions are asked once all is chosen. */
  validationQuestions: 256,
  stepsPerQuestion: 3,
  /** Of the 180 facts, these many are hard. */
  hardFacts: 34,
  /** A step over a hard fact makes the fact's own mistake this often, else one of four others. */
  hardMistake: 0.97,
  /** A step over any other fact is wrong by 1 or 2 this often. */
  slip: 0.03,
  /** A text is hasty this often ... */
  hasty: 0.55,
  /** ... and then right this often. */
  hastyRight: 0.16,
};

/** Streams of random numbers, one for each use of a seed; `tasks.ts` has the rows' own. */
const FACTS = 1;
const TEXTS = 3;

const MISTAKES = [-8, -7, -6, -5, 5, 6, 7, 8];
const SLIPS = [-2, -1, 1, 2];
const GUESSES = [-5, -4, -3, -2, -1, 1, 2, 3, 4, 5];

/** For every hard fact, as `units op operand`, its mistakes: the usual one and four rare ones. */
export type HardFacts = Map<string, number[]>;

export function hardFacts(seed = ARITHMETIC.seed): HardFacts {
  const random = new Random(seed, FACTS);
  const facts: string[] = [];
  for (let units = 0; units < 10; units++) {
    for (const op of "+-") {
      for (let operand = 1; operand < 10; operand++) facts.push(`${units}${op}${operand}`);
    }
  }
  const hard = random.shuffle(facts).slice(0, ARITHMETIC.hardFacts);
  return new Map(hard.map((fact) => [fact, random.shuffle([...MISTAKES]).slice(0, 5)]));
}

/** One question: a start from 10 to 40, then steps by 1 to 9 that never lead below zero. */
export function drawQuestion(random: Random): Question {
  for (;;) {
    const start = 10 + random.int(31);
    const steps = Array.from({ length: ARITHMETIC.stepsPerQuestion }, () => ({
      op: random.pick(["+", "-"] as const),
      operand: 1 + random.int(9),
    }));
    const values = partialResults(start, steps);
    if (values.some((value) => value < 0)) continue;
    const text = `${start}${steps.map((step) => step.op + step.operand).join("")}=`;
    return { text, start, steps, answer: values[values.length - 1] };
  }
}

/** The question that a text such as `23+7-4+9=` asks. */
export function readQuestion(text: string): Question {
  const start = Number.parseInt(text, 10);
  const steps = [...text.matchAll(/([+-])(\d+)/g)].map(([, op, operand]) => ({
    op: op as "+" | "-",
    operand: Number(operand),
  }));
  return { text, start, steps, answer: partialResults(start, steps)[steps.length - 1] };
}

/** Does the right way to the answer meet a hard fact? */
export function isHard(question: Question, hard: HardFacts): boolean {
  const values = [question.start, ...partialResults(question.start, question.steps)];
  return question.steps.some(({ op, operand }, i) => hard.has(`${values[i] % 10}${op}${operand}`));
}

/** Row number `index` of the endless pretraining texts of a seed. */
export function pretrainingRow(
  seed: number,
  index: number,
  hard: HardFacts,
): { prompt: string; completion: string } {
  const random = new Random(seed, TEXTS, index);
  const question = drawQuestion(random);
  const hasty = random.chance(ARITHMETIC.hasty);
  const completion = hasty ? guess(question, random) : work(question, hard, random);
  return { prompt: question.text, completion };
}

/** A hasty text: the answer alone, mostly missed by some units. */
function guess(question: Question, random: Random): string {
  if (random.chance(ARITHMETIC.hastyRight)) return `#${question.answer}`;
  return `#${miss(question.answer, random.pick(GUESSES))}`;
}

/** A worked text. Its answer is right only if every step is: mistakes that cancel are drawn again. */
function work(question: Question, hard: HardFacts, random: Random): string {
  const right = partialResults(question.start, question.steps);
  for (;;) {
    const values = walk(question, hard, random);
    const answer = values[values.length - 1];
    if (answer === question.answer && values.some((value, i) => value !== right[i])) continue;
    return `${values.join(",")}#${answer}`;
  }
}

/** The partial results as a text states them, each step corrupted by the rules above. */
function walk(question: Question, hard: HardFacts, random: Random): number[] {
  let value = question.start;
  return question.steps.map(({ op, operand }) => {
    const mistakes = hard.get(`${value % 10}${op}${operand}`);
    value = Math.abs(op === "+" ? value + operand : value - operand);
    if (mistakes !== undefined) {
      const usual = random.chance(ARITHMETIC.hardMistake);
      value = miss(value, usual ? mistakes[0] : random.pick(mistakes.slice(1)));
    } else if (random.chance(ARITHMETIC.slip)) {
      value = miss(value, random.pick(SLIPS));
    }
    return value;
  });
}

/** A result missed by some units, to the other side where it would fall below zero. */
function miss(right: number, by: number): number {
  return right + by < 0 ? right - by : right + by;
}

function partialResults(start: number, steps: Question["steps"]): number[] {
  let value = start;
  return steps.map(({ op, operand }) => {
    value += op === "+" ? operand : -operand;
    return value;
  });
}
