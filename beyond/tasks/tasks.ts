/** The built-in tasks: as many different rows as are wanted, the same ones for a seed on every machine. */
import { UserError } from "../../lib/errors.ts";
import { Random } from "../../lib/random.ts";
import { ARITHMETIC, drawQuestion } from "./arithmetic.ts";
import { COUNTDOWN, type CountdownSettings, drawCountdown } from "./countdown.ts";

export const TASKS = ["arithmetic", "countdown"] as const;
export type TaskName = (typeof TASKS)[number];

export interface TaskSettings extends CountdownSettings {
  seed: number;
  /** Rows to make, after leaving out the first `skip` of the seed: what two ranges have in common is nothing. */
  n: number;
  skip: number;
}

export type TaskRow = { question: string; answer: string } & Record<string, unknown>;

/** The stream of random numbers that rows are drawn from. */
const ROWS = 2;

/** Draws without a new row after which a task counts as used up. */
const PATIENCE = 10_000;

export function makeRows(task: TaskName, settings: TaskSettings): TaskRow[] {
  const random = new Random(settings.seed, ROWS);
  const draw: () => TaskRow =
    task === "countdown" ? () => ({ ...drawCountdown(random, settings) }) : () => sum(random);
  const rows: TaskRow[] = [];
  const seen = new Set<string>();
  const wanted = settings.skip + settings.n;
  for (let idle = 0; seen.size < wanted; ) {
    const row = draw();
    const key = keyOf(row);
    if (seen.has(key)) {
      if (++idle < PATIENCE) continue;
      throw new UserError(
        `--n ${wanted}: hardly more than ${seen.size} different rows can be made; ask for fewer`,
      );
    }
    idle = 0;
    seen.add(key);
    if (seen.size > settings.skip) rows.push(row);
  }
  return rows;
}

function sum(random: Random): TaskRow {
  const { text, answer } = drawQuestion(random);
  return { question: text, answer: String(answer) };
}

/** Rows with one key are one task: the order of numbers makes no other. */
function keyOf({ question, nums, target }: TaskRow): string {
  return Array.isArray(nums) ? `${nums.toSorted((a, b) => a - b)}:${target}` : question;
}

/** A JSONL file of the rows. */
export function toJsonLines(rows: readonly TaskRow[]): string {
  const field = ([name, value]: [string, unknown]) => `"${name}": ${JSON.stringify(value)}`;
  return rows.map((row) => `{${Object.entries(row).map(field).join(", ")}}\n`).join("");
}

/**
 * The rows of `examples/arithmetic.jsonl`, `examples/arithmetic-test.jsonl` and
 * `examples/arithmetic-validation.jsonl`; none is in two of them.
 */
export function exampleRows(): Record<"train" | "test" | "validation", TaskRow[]> {
  const { seed, trainQuestions, testQuestions, validationQuestions } = ARITHMETIC;
  const part = (skip: number, n: number) => makeRows("arithmetic", { ...COUNTDOWN, seed, skip, n });
  return {
    train: part(0, trainQuestions),
    test: part(trainQuestions, testQuestions),
    validation: part(trainQuestions + testQuestions, validationQuestions),
  };
}
