import type { Mutants } from "./mutant.ts";

/** Mistakes in the algorithm: lib/explore/, which knows plain arrays alone. */
export const exploreMutants: readonly Mutants[] = [
  {
    file: "lib/explore/counter.ts",
    tests: ["tests/explore/counter.test.ts"],
    mistakes: [
      ["a question never seen has been seen once", "?.get(outcome) ?? 0;", "?.get(outcome) ?? 1;"],
      [
        "outcomes of all questions share one count",
        "this.#questions.get(question);",
        'this.#questions.get("");',
      ],
      ["what is counted again starts from nothing", "(counts.get(outcome) ?? 0) + times", "times"],
      ["no answer is one of the answers", "(outcomes.has(null) ? 1 : 0)", "0"],
    ],
  },
  {
    file: "lib/explore/method.ts",
    tests: ["tests/explore/bonus.test.ts"],
    mistakes: [
      ["the bonus falls with N, not with its root", "1 / Math.sqrt(count)", "1 / count"],
      [
        "a new answer is worth infinitely much",
        "Math.min(1, 1 / Math.sqrt(count))",
        "1 / Math.sqrt(count)",
      ],
    ],
  },
  {
    file: "lib/explore/methods/ucb-mean.ts",
    tests: ["tests/explore/bonus.test.ts"],
    mistakes: [
      ["the mean is over the whole group", "Math.max(1, bonuses.length - 1)", "bonuses.length"],
      ["common answers are worth more", "bonus - other", "other - bonus"],
    ],
  },
  {
    file: "lib/explore/methods/ucb-con.ts",
    tests: ["tests/explore/bonus.test.ts"],
    mistakes: [
      ["the baseline is added", "historicalBonus(count) - b0", "historicalBonus(count) + b0"],
    ],
  },
  {
    file: "lib/explore/methods/batch.ts",
    tests: ["tests/explore/bonus.test.ts"],
    mistakes: [
      ["an answer repeats itself", ".length - 1;", ".length;"],
      ["repeats are counted, not their share", ") / outcomes.length", ")"],
    ],
  },
  {
    file: "lib/explore/bonus.ts",
    tests: ["tests/explore/bonus.test.ts"],
    mistakes: [
      ["no answer is rewarded for being new", "Math.min(0, b)", "b"],
      [
        "a solved group is explored",
        "if (group.correct.every((correct) => correct)) return total;\n",
        "",
      ],
      [
        "one right answer makes a group solved",
        "if (group.correct.every(",
        "if (group.correct.some(",
      ],
      ["terms replace each other", "total[i] += term", "total[i] = term"],
      ["coefficients are left out", "term.coefficient * signal[i]", "signal[i]"],
    ],
  },
  {
    file: "lib/explore/advantages/grpo.ts",
    tests: ["tests/explore/advantages.test.ts"],
    mistakes: [["the baseline is added", "reward - center", "reward + center"]],
  },
  {
    file: "lib/explore/advantages.ts",
    tests: ["tests/explore/advantages.test.ts"],
    mistakes: [
      ["the deviation of the population", "Math.max(1, values.length - 1)", "values.length"],
      ["rewards are always scaled", 'scaleRewards === "none" ? 1', 'scaleRewards === "batch" ? 1'],
      [
        "a group's deviation is the step's",
        '"group" ? sampleStd(group.rewards) : batchStd',
        '"group" ? batchStd : batchStd',
      ],
      [
        "a group of exploration alone is skipped",
        "advantages[i] + exploration[i] !== 0",
        "advantages[i] !== 0",
      ],
      [
        "a signal that cancels out but on the answer is none",
        '=== "reasoning" && advantages[i] !== 0',
        '=== "all" && advantages[i] !== 0',
      ],
      [
        "the answer's tokens carry the exploration term",
        'exploreTokens === "all" ? length : Math.min(answerStart, length)',
        "length",
      ],
      ["the answer's tokens carry no advantage", "out.fill(advantage, end,", "out.fill(0, end,"],
    ],
  },
  {
    file: "lib/explore/loss.ts",
    tests: ["tests/explore/loss.test.ts"],
    mistakes: [
      ["the loss is climbed", "-ratio * advantage;", "ratio * advantage;"],
      ["clip ranges are exchanged", "1 - settings.epsilonLow", "1 - settings.epsilonHigh"],
      [
        "a good token is clipped when it got rarer",
        "advantage > 0 && ratio > high",
        "advantage > 0 && ratio < low",
      ],
      ["clipped tokens still move", "clippedLow || clippedHigh ? 0 :", "clippedLow ? 0 :"],
      [
        "the ratio is turned round",
        "Math.exp(logprobs[t] - oldLogprobs[t])",
        "Math.exp(oldLogprobs[t] - logprobs[t])",
      ],
      ["a sequence's ratio is not a mean", "logRatioSum / Math.max(1, length)", "logRatioSum"],
      ["k3 is k1", "Math.expm1(logRatio) - logRatio", "-logRatio"],
      [
        "the KL penalty pushes away",
        "gradient += beta * klGradient",
        "gradient -= beta * klGradient",
      ],
      ["grpo counts each token the same", '"grpo" ? length : 1', '"grpo" ? 1 : 1'],
      [
        "dr_grpo divides by the lengths",
        "* settings.maxCompletionLength",
        "* Math.max(...Array.from(lengths))",
      ],
      ["a masked step is NaN", "return Math.max(1, tokens);", "return tokens;"],
      [
        "masked tokens are in the loss",
        "if (mask !== undefined && mask[t] === 0) continue;\n      const",
        "const",
      ],
    ],
  },
  {
    file: "lib/model/schedule.ts",
    tests: ["tests/model/schedule.test.ts"],
    mistakes: [
      [
        "the warm-up begins at its second step",
        "(step / warmupSteps)",
        "((step + 1) / warmupSteps)",
      ],
      ["the warm-up lasts a step longer", "step < warmupSteps", "step <= warmupSteps"],
      ["the fall begins with the run", "maxSteps - warmupSteps)", "maxSteps)"],
      ["the cosine is upside down", "1 + Math.cos(", "1 - Math.cos("],
    ],
  },
  {
    file: "lib/random.ts",
    tests: ["tests/random.test.ts"],
    mistakes: [
      [
        "each pass has the same order",
        "new Random(seed, epoch).shuffle",
        "new Random(seed).shuffle",
      ],
      [
        "a question is drawn twice in a pass",
        "latest.order[draw % n]",
        "latest.order[(draw * 2) % n]",
      ],
      ["the order of another data set is kept", "latest.name !== name", "latest.order.length < n"],
      ["the shuffle leaves the last in place", "this.int(i + 1)", "this.int(i)"],
    ],
  },
];
