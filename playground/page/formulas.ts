/** Every number of a step, its formula, and the line of the source that computes it. */

export interface Formula {
  name: string;
  formula: string;
  words: string;
  /** In the repository. */
  file: string;
  /** Text of the line, which stands there once. */
  line: string;
}

const METHOD = (
  name: string,
  file: string,
  formula: string,
  words: string,
  line: string,
): Formula => ({
  name: `B of ${name}`,
  formula,
  words,
  file: `lib/explore/methods/${file}.ts`,
  line,
});

export const FORMULAS = {
  token: {
    name: "colour",
    formula: "log p(token) = logit − log Σ exp(logits)",
    words: "How probable each token was when it was drawn: the paler, the surer the model was.",
    file: "shaders/logprob.wgsl",
    line: "    logprob[row] = chosen - largest - log_z;",
  },
  outcome: {
    name: "answer",
    formula: "a = what stands after the #",
    words: "The outcome: the final answer in canonical form. Exploration counts these.",
    file: "beyond/answers/extract.ts",
    line: "export function findAnswer(text: string): Answer | null {",
  },
  reward: {
    name: "r",
    formula: "r = 1 if a is right, else 0",
    words: "The reward.",
    file: "lib/rewards.ts",
    line: "  correct: ({ correct }: Earning) => Number(correct),",
  },
  count: {
    name: "N",
    formula: "N(x, a)",
    words: "How often this answer was given to this question in earlier steps.",
    file: "lib/train.ts",
    line: "counts: state.counter.counts(question.text, outcomes),",
  },
  bonus: {
    name: "b",
    formula: "b = min(1, 1/√N)",
    words: "1 for a new answer, ½ after four sightings, ¼ after sixteen.",
    file: "lib/explore/method.ts",
    line: "return Math.min(1, 1 / Math.sqrt(count));",
  },
  advantage: {
    name: "A",
    formula: "A = r − mean(r)",
    words: "The advantage: the completions of a question are each other's baseline.",
    file: "lib/explore/advantages/grpo.ts",
    line: "return Float64Array.from(rewards, (reward) => reward - center);",
  },
  exploration: {
    name: "c·B",
    formula: "Σ over terms of c·B",
    words: "What exploration adds; 0 throughout where every completion is right.",
    file: "lib/explore/bonus.ts",
    line: "total[i] += term.coefficient * signal[i];",
  },
  sum: {
    name: "A + c·B",
    formula: "A + c·B",
    words: "Along this every token of the completion is pushed up or down.",
    file: "lib/explore/advantages.ts",
    line: "out.fill(advantage + exploration, offset, end);",
  },
  change: {
    name: "P before → after",
    formula: "P = Π p(token)",
    words:
      "The probability of the whole completion when it was drawn, and measured again after the update of all groups.",
    file: "lib/model/training-pass.ts",
    line: "this.head.logprobs(weights, predictions, head, headGradients);",
  },
} satisfies Record<string, Formula>;

/** B of each method that is built in. */
export const METHOD_FORMULAS: Readonly<Record<string, Formula>> = {
  ucb: METHOD("ucb", "ucb", "B = b", "Rare answers are worth more.", "signal: ({ counts }) =>"),
  "ucb-mean": METHOD(
    "ucb-mean",
    "ucb-mean",
    "B = b − mean of the others' b",
    "How rare an answer is beside the rest of its group.",
    "signal({ counts }) {",
  ),
  "ucb-con": METHOD(
    "ucb-con",
    "ucb-con",
    "B = b − b0",
    "With b0 = ½ an answer seen more than four times costs.",
    "signal: ({ counts }, { b0 }) =>",
  ),
  batch: METHOD(
    "batch",
    "batch",
    "B = −(1/n)·#{j ≠ i : a_j = a_i}",
    "Answers repeated within the group cost.",
    "signal({ outcomes }) {",
  ),
};

/** What must be at hand for every line to be shown. */
export const SOURCE_FILES: readonly string[] = [
  ...new Set([...Object.values(FORMULAS), ...Object.values(METHOD_FORMULAS)].map((f) => f.file)),
].sort();

/** The number, from 1, of the line of `text` that a formula names; 0 if it does not stand there. */
export const lineOf = ({ line }: Formula, text: string): number =>
  text.split("\n").findIndex((other) => other.includes(line)) + 1;
