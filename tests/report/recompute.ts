/**
 * The numbers of a report's tables and of its chart of solved questions, computed again from what runs leave on the
 * disk, with arithmetic of its own: exact binomials, and SQL over the ledger. Nothing of the product is imported.
 *
 *     node scripts/bun.js tests/report/recompute.ts runs/a-1 runs/a-2      (seeds of one method)
 */
import { Database } from "bun:sqlite";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** n choose k. */
function choose(n: number, k: number): bigint {
  let result = 1n;
  for (let i = 0; i < k; i++) result = (result * BigInt(n - i)) / BigInt(i + 1);
  return n < k ? 0n : result;
}

/** The share of the choices of k of n samples that hold none of `some`, to 15 digits. */
const shareWithout = (n: number, some: number, k: number) =>
  Number((choose(n - some, k) * 10n ** 15n) / choose(n, k)) / 1e15;

const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

interface Tally {
  samples: number;
  correct: number;
  answers: { outcome: string | null; count: number }[];
  tokens: { correct: number; incorrect: number };
  entropy: { correct: number; incorrect: number };
}

/** Figures of one evaluation file, each a mean over its questions. */
function evaluated(path: string): Record<string, number> {
  const { questions } = JSON.parse(readFileSync(path, "utf8")) as { questions: Tally[] };
  const { samples } = questions[0];
  const figures: Record<string, number> = {};
  for (let k = 1; k <= samples; k *= 2) {
    figures[`pass@${k}`] = meanOf(questions.map((q) => 1 - shareWithout(samples, q.correct, k)));
    figures[`distinct of ${k}`] = meanOf(
      questions.map(({ answers }) =>
        answers
          .filter(({ outcome }) => outcome !== null)
          .reduce((sum, { count }) => sum + 1 - shareWithout(samples, count, k), 0),
      ),
    );
  }
  const sum = (of: (q: Tally) => number) => questions.reduce((total, q) => total + of(q), 0);
  const nats = [sum((q) => q.entropy.correct), sum((q) => q.entropy.incorrect)];
  const tokens = [sum((q) => q.tokens.correct), sum((q) => q.tokens.incorrect)];
  figures.entropy = (nats[0] + nats[1]) / (tokens[0] + tokens[1]);
  figures.correct = nats[0] / tokens[0];
  figures.incorrect = nats[1] / tokens[1];
  return figures;
}

/** The evaluation of a step; -1 for the last. */
export function heldOut(run: string, step: number): Record<string, number> {
  const folder = join(run, "evaluations");
  const stepOf = (name: string) => Number(/-(\d+)\.json$/.exec(name)?.[1]);
  const names = readdirSync(folder).sort((a, b) => stepOf(a) - stepOf(b));
  return evaluated(
    join(folder, names.find((name) => stepOf(name) === step) ?? (names.at(-1) as string)),
  );
}

function ask(run: string, sql: string, ...values: number[]): number[][] {
  const database = new Database(join(run, "ledger.sqlite"), { readonly: true });
  const rows = database.query(sql).values(...values) as number[][];
  database.close();
  return rows;
}

/** Entropy and distinct answers of the last quarter of the steps. */
export function late(run: string): Record<string, number> {
  const after = "step > 0.75 * (SELECT MAX(step) FROM rollouts)";
  const nats = "SUM(entropy * tokens) / SUM(tokens)";
  const [[entropy]] = ask(run, `SELECT ${nats} FROM rollouts WHERE ${after}`);
  const [[correct]] = ask(run, `SELECT ${nats} FROM rollouts WHERE ${after} AND correct`);
  const [[incorrect]] = ask(run, `SELECT ${nats} FROM rollouts WHERE ${after} AND NOT correct`);
  const groups = `(SELECT COUNT(DISTINCT outcome) AS answers, MAX(correct) AS solved FROM rollouts
    WHERE ${after} GROUP BY step, slot)`;
  const [[all, solved, unsolved]] = ask(
    run,
    `SELECT AVG(answers), AVG(CASE WHEN solved THEN answers END),
       AVG(CASE WHEN NOT solved THEN answers END) FROM ${groups}`,
  );
  return { entropy, correct, incorrect, "distinct in a group": all, solved, unsolved };
}

/** Of the questions that were drawn so often, the share with a right answer among the first `samples` samples. */
export function solvedAfter(run: string, samples: number): number {
  const [[share]] = ask(
    run,
    `WITH numbered AS (
       SELECT question, correct, ROW_NUMBER() OVER (PARTITION BY question ORDER BY id) AS place FROM rollouts
     ), reached AS (SELECT question FROM numbered GROUP BY question HAVING MAX(place) >= ?1)
     SELECT AVG(solved) FROM (
       SELECT MAX(correct) AS solved FROM numbered
       WHERE place <= ?1 AND question IN reached GROUP BY question
     )`,
    samples,
  );
  return share;
}

/** The mean over the runs of each figure. */
export function overRuns(
  runs: readonly string[],
  figures: (run: string) => Record<string, number>,
): Record<string, number> {
  const all = runs.map(figures);
  return Object.fromEntries(
    Object.keys(all[0]).map((key) => [key, meanOf(all.map((one) => one[key]))]),
  );
}

/** Half of the 95 % interval by Student's t, for two runs or three. */
export function halfInterval(values: readonly number[]): number {
  const t = { 2: 12.706204736, 3: 4.30265273 }[values.length] ?? Number.NaN;
  const centre = meanOf(values);
  const variance = values.reduce((sum, x) => sum + (x - centre) ** 2, 0) / (values.length - 1);
  return t * Math.sqrt(variance / values.length);
}

if (import.meta.main) {
  const runs = process.argv.slice(2);
  console.table({
    base: overRuns(runs, (run) => heldOut(run, 0)),
    last: overRuns(runs, (run) => heldOut(run, -1)),
    "in training": overRuns(runs, late),
  });
}
