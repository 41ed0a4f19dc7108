import type { Mutants } from "./mutant.ts";

/** Mistakes in the wiring of the loop: what is drawn, judged, paid, learned from, counted and kept. */
export const loopMutants: readonly Mutants[] = [
  {
    file: "lib/train.ts",
    tests: ["tests/train.test.ts"],
    mistakes: [
      [
        "the schedule is an update ahead",
        "scheduledRate(settings, state.updates)",
        "scheduledRate(settings, state.updates + 1)",
      ],
      [
        "the schedule ends after as many updates as there are steps",
        "settings.maxSteps * updatesPerStep",
        "settings.maxSteps",
      ],
      [
        "the warm-up counts updates",
        "settings.warmupSteps * updatesPerStep",
        "settings.warmupSteps",
      ],
      ["updates are numbered from 0", "      state.updates,\n", "      state.updates - 1,\n"],
      ["refills take the keys of those they replace", "groups.length;", "0;"],
      ["every step has the keys of the first", "const step = state.step + 1;", "const step = 1;"],
      ["a step asks the questions of the one before", "state.drawn = drawn;", ""],
      [
        "solved is what earned something",
        "some(({ correct }) => correct)",
        "some((_, i) => i === 1)",
      ],
      [
        "a question is explored until all that is earned is 1",
        "kept.map(({ correct }) => correct)",
        "earnings.map(({ reward }) => reward === 1)",
      ],
      [
        "a step's answers are counted before its bonuses are read",
        "  return {\n    question: question.text,",
        "  state.counter.add(question.text, outcomes);\n  return {\n    question: question.text,",
      ],
      [
        "answers are counted once an update",
        "    state.counter.add(question.text, outcomes);",
        "    for (let u = 0; u < training.settings.numIterations; u++) state.counter.add(question.text, outcomes);",
      ],
      ["answers are never counted", "    state.counter.add(question.text, outcomes);\n", ""],
      [
        "of a filtered step the groups without signal are kept",
        "? groups.filter((group) => group.hasSignal)",
        "? groups.filter((group) => !group.hasSignal)",
      ],
      [
        "parts of a step overlap",
        "Math.round(((part + 1) * learned.length) / parts)",
        "Math.round(((part + 1) * learned.length) / parts) + 1",
      ],
      ["every part is the first", "i % parts", "0"],
      [
        "steps are filled up whether asked for or not",
        "missing = settings.filterZeroVariance",
        "missing = !settings.filterZeroVariance",
      ],
      ["the next step does not wait", "    await listener.step(", "    void listener.step("],
      ["the sum of the losses is reported", "result.loss / updates", "result.loss"],
    ],
  },
  {
    file: "lib/learn.ts",
    tests: ["tests/learn.test.ts"],
    mistakes: [
      [
        "completions that were cut off are learned from",
        "(settings.maskTruncatedCompletions && !finished)",
        "false",
      ],
      ["completions that ended are left out", "&& !finished", "&& finished"],
      [
        "groups without signal are skipped under a KL penalty",
        "!group.hasSignal && settings.beta === 0",
        "!group.hasSignal",
      ],
      [
        "what is skipped divides nothing",
        "const lengths = groups.flatMap(",
        "const lengths = groups.filter(({ hasSignal }) => hasSignal).flatMap(",
      ],
      [
        "what is masked divides too",
        "isLeftOut(completion) ? 0 : completion.tokens.length",
        "completion.tokens.length",
      ],
      [
        "answers carry the exploration term too",
        "const { exploreTokens } = settings;",
        'const exploreTokens = "all";',
      ],
      [
        "it is learned at temperature 1",
        "const { temperature } = settings;",
        "const temperature = 1;",
      ],
      [
        "the reference is the policy itself",
        "trainingPass.logprobs(reference,",
        "trainingPass.logprobs(weights,",
      ],
      [
        "old log-probabilities lie at the front",
        "this.oldLogprobs.set(completion.logprobs, offsets[i]);",
        "this.oldLogprobs.set(completion.logprobs, 0);",
      ],
      [
        "gradients of the update before stay",
        "    this.policy.gradients.clear(this.policy.gpu);\n",
        "",
      ],
      ["the last micro-batch is lost", "    if (batch.length > 0) yield batch;\n", ""],
      [
        "every completion brings its prompt",
        "? own : own + item.prompt.length",
        "? own + item.prompt.length : own + item.prompt.length",
      ],
      [
        "a loss that is not finite moves the weights",
        "if (!Number.isFinite(sums.loss))",
        "if (false)",
      ],
    ],
  },
  {
    file: "lib/rollout.ts",
    tests: ["tests/rollout.test.ts"],
    mistakes: [
      ["all questions share a key", "slot: firstSlot + i }));", "slot: firstSlot }));"],
      ["a stop text is cut short", "-(longest + 8)", "-longest"],
      [
        "the shortest stop text decides",
        "Math.max(...stop.map((text) => text.length))",
        "Math.min(...stop.map((text) => text.length))",
      ],
      ["the last stop text counts", "Math.min(end, at)", "at"],
      ["what ended was cut off", "truncated = !finished", "truncated = finished"],
      ["all purposes share a key", "[settings.seed, purpose]", "[settings.seed, 0]"],
      ["the answer begins a token late", "start <= answerStart)", "start <= answerStart) + 1"],
      [
        "no answer begins at the first token",
        "let firstToken = completion.tokens.length;",
        "let firstToken = 0;",
      ],
    ],
  },
  {
    file: "beyond/runs/milestones.ts",
    tests: ["tests/runs/milestones.test.ts"],
    mistakes: [
      [
        "the best checkpoint is deleted",
        "saveBest && best ? [best.step] : []",
        "saveBest && best ? [] : []",
      ],
      ["the best model is not saved", "|| (isBest && saveBest)", ""],
      ["as good as the best is better", "best.passAt1 >= passAt1", "best.passAt1 > passAt1"],
      ["a step is saved twice", "    if (this.saved === step) return path;\n", ""],
    ],
  },
  {
    file: "beyond/runs/metrics.ts",
    tests: ["tests/runs/metrics.test.ts"],
    mistakes: [
      ["the share of those that ended is told", "(c.finished ? 0 : 1)", "(c.finished ? 1 : 0)"],
      ["the ledger says cut off of what ended", "!completion.finished", "completion.finished"],
    ],
  },
  {
    file: "beyond/opening/open-run.ts",
    tests: ["tests/opening/resume.test.ts"],
    mistakes: [
      [
        "the judge forgets the outcomes of before",
        "    if (outcome !== null) judge.remember(question, outcome);\n",
        "",
      ],
      ["counts of before are lost", "    counter.addCount(question, outcome, count);\n", ""],
    ],
  },
];
