/** Makes golden.json, the numbers that lib/explore and the plug-ins of other trainers must agree on: `node scripts/bun.js tests/integrations/golden.ts` */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { explorationSignal, methods } from "../../lib/explore/bonus.ts";
import { type Outcome, OutcomeCounter } from "../../lib/explore/counter.ts";
import { Random } from "../../lib/random.ts";

export interface GoldenStep {
  question: string;
  outcomes: Outcome[];
  correct: boolean[];
  explore: string;
  coef: number[];
  b0: number;
  /** N(x, a_i) before the step. */
  counts: number[];
  /** sum over terms of c B_i. */
  signal: number[];
}

/** Steps of a made-up run, in which counts grow. */
export function goldenSteps(): GoldenStep[] {
  const random = new Random(20261130);
  const counter = new OutcomeCounter();
  const answers: Outcome[] = [null, "", "null", "1", "1/2", "x+1"];
  return Array.from({ length: 120 }, (): GoldenStep => {
    const question = random.pick(["a", "b", "ä c"]);
    const n = 2 + random.int(7);
    const outcomes = Array.from({ length: n }, () => random.pick(answers));
    const isSolved = random.chance(0.1);
    const correct = outcomes.map((outcome) => isSolved || outcome === "1");
    const chosen = methods.filter(() => random.chance(0.4));
    const coef = chosen.map(() => random.int(10) / 8);
    const b0 = random.pick([0, 0.25, 0.5, 1]);
    const counts = counter.counts(question, outcomes);
    const terms = chosen.map((method, i) => ({
      method,
      coefficient: coef[i],
      parameters: { b0 },
    }));
    const group = {
      ...EMPTY,
      question,
      outcomes,
      counts,
      correct,
      history: counter.outcomes(question),
    };
    const signal = Array.from(explorationSignal(terms, group));
    counter.add(question, outcomes);
    const explore = chosen.map(({ name }) => name).join(",") || "none";
    return { question, outcomes, correct, explore, coef, b0, counts, signal };
  });
}

/** What no built-in bonus reads. */
const EMPTY = {
  rewards: [],
  parts: [],
  logprobs: [],
  entropies: [],
  truncated: [],
  step: 1,
  maxSteps: 1,
};

if (import.meta.main) {
  const path = join(import.meta.dir, "golden.json");
  writeFileSync(
    path,
    `[\n${goldenSteps()
      .map((step) => JSON.stringify(step))
      .join(",\n")}\n]\n`,
  );
}
