// pass@1 and pass@64 of easy and of hard questions of the arithmetic task, means over the evaluations
// given (those of one method, a file a seed): the table in docs/results.md.
//   node scripts/bun.js scripts/hard-questions.ts runs/paper/none-{1,2,3}/evaluations/arithmetic-test-400.json

import { passAtK } from "../beyond/measuring/estimators.ts";
import { readEvaluation } from "../beyond/measuring/evaluation.ts";
import { hardFacts, isHard, readQuestion } from "../beyond/tasks/arithmetic.ts";

const facts = hardFacts();
const asked = process.argv.slice(2).flatMap((path) => readEvaluation(path).questions);
if (asked.length === 0) throw new Error("name the evaluation files of a method");

for (const hard of [false, true]) {
  const some = asked.filter(({ question }) => isHard(readQuestion(question), facts) === hard);
  const means = [1, 64].map((k) => {
    const values = some.map(({ samples, correct }) => passAtK(samples, correct, k));
    return `pass@${k} ${(values.reduce((a, b) => a + b, 0) / values.length).toFixed(3)}`;
  });
  console.log(`${hard ? "hard" : "easy"} (${some.length})`.padEnd(12), means.join("  "));
}
