import { describe, expect, test } from "bun:test";
import type { Question } from "../lib/data/questions.ts";
import { NotFiniteError } from "../lib/errors.ts";
import { OutcomeCounter } from "../lib/explore/counter.ts";
import { ucb } from "../lib/explore/methods/ucb.ts";
import { PolicyGradient } from "../lib/learn.ts";
import { drawQuestions } from "../lib/random.ts";
import type { RewardPart } from "../lib/rewards.ts";
import {
  type GrpoSettings,
  type StepReport,
  scheduledRate,
  type Training,
  type TrainingState,
  train,
} from "../lib/train.ts";
import { fakePolicy, GRPO, questionsOf } from "./fakes.ts";

const settings: GrpoSettings = {
  maxSteps: 2,
  promptsPerStep: 4,
  numGenerations: 2,
  shuffleSeed: 5,
  scaleRewards: "none",
  filterZeroVariance: false,
  numIterations: 1,
  stepsPerGeneration: 1,
  learningRate: 1,
  warmupSteps: 0,
  lrSchedulerType: "constant",
  lossType: "dapo",
  epsilonLow: 0.2,
  epsilonHigh: 0.2,
  beta: 0,
  klBiasCorrection: false,
  importanceSamplingLevel: "token",
  exploreTokens: "all",
  maskTruncatedCompletions: false,
  temperature: 0.7,
  topK: 0,
  topP: 1,
  minP: 0,
  maxCompletionLength: 20,
  stop: [],
  seed: 1,
};

// the answer to each question is its own letter's place in the alphabet
const LETTERS = "abcdef";
const questions = questionsOf(
  Object.fromEntries(Array.from(LETTERS, (letter, i) => [letter, String(i)])),
);
const right = (prompt: string) => String(LETTERS.indexOf(prompt));

const fresh = (): TrainingState => ({
  step: 0,
  drawn: 0,
  updates: 0,
  counter: new OutcomeCounter(),
  solved: new Set(),
});

interface Given extends Partial<GrpoSettings> {
  state?: TrainingState;
  reward?: RewardPart;
  weight?: number;
  fake?: Parameters<typeof fakePolicy>[0];
  signal?: AbortSignal;
  at?: (place: number) => Question;
  listen?: (report: StepReport) => void | Promise<void>;
}

/** Trains a policy that answers the first completion of a question right and the others wrong, if not told otherwise. */
async function trained({
  state = fresh(),
  reward = "correct",
  weight = 1,
  fake = {},
  signal,
  listen = () => {},
  at = (place) => questions[place],
  ...given
}: Given = {}) {
  const say = (prompt: string, sample: number) => (sample === 0 ? `#${right(prompt)}` : "#77");
  const { policy, calls } = fakePolicy({ say, ...fake });
  const reports: StepReport[] = [];
  const all = { ...settings, ...given };
  const training: Training = {
    policy,
    learner: new PolicyGradient(policy, 1000, all),
    settings: all,
    advantage: GRPO,
    exploration: [{ method: ucb, coefficient: 0.2, parameters: {} }],
    rewards: {
      terms: [{ part: reward, weight }],
      answerForm: "any",
      maxCompletionLength: 20,
      overlongCache: 4,
    },
    questions: { count: questions.length, at },
    state,
  };
  const listener = {
    activity: () => {},
    async step(report: StepReport) {
      reports.push(report);
      await listen(report);
    },
  };
  await train(training, listener, signal);
  return { reports, calls, state };
}

describe("a step", () => {
  test("asks the questions that are next, under keys that no other completion has", async () => {
    const { calls, state } = await trained({ maxSteps: 3 });
    const asked = calls.generated.map(({ prompt }) => prompt);
    const next = drawQuestions(5, 0, 12, 6).map((place) => LETTERS[place]);
    expect(asked).toEqual(next);
    const keys = calls.generated.map(({ slot, settings: { step } }) => `${step} ${slot}`);
    expect(keys).toEqual(
      [1, 2, 3].flatMap((step) => [0, 1, 2, 3].map((slot) => `${step} ${slot}`)),
    );
    expect(state).toMatchObject({ step: 3, drawn: 12, updates: 3 });
  });

  test("reports its groups, what they earned, and the sums of its update", async () => {
    const { reports } = await trained();
    expect(reports.map(({ step }) => step)).toEqual([1, 2]);
    const [{ groups, sums, learningRate }] = reports;
    for (const group of groups) {
      expect(group.earned.map(({ reward }) => reward)).toEqual([1, 0]);
      expect([...group.advantages]).toEqual([0.5, -0.5]);
      expect(group.hasSignal).toBe(true);
    }
    expect(sums).toMatchObject({ gradNorm: 1, ratio: sums.tokens, clippedLow: 0, clippedHigh: 0 });
    // each completion of a group is #, a digit or two, and its end
    expect(sums.tokens).toBe(4 * (3 + 4));
    expect(learningRate).toBe(1);
  });

  test("what own code leaves out is in no mean, and nothing is learned from it; it is counted", async () => {
    const leavingOut = (place: number): Question => {
      const { judge, ...question } = questions[place];
      return {
        ...question,
        async judge(completions, step) {
          const judged = await judge(completions, step);
          const steps = completions.map((_, i) => step === 1 && i === 2);
          return judged.map((one, i) => (steps[i] ? { ...one, paid: null } : one));
        },
      };
    };
    const { reports, calls, state } = await trained({
      numGenerations: 3,
      maxSteps: 2,
      fake: { say: (prompt, i) => ["#99", `#${right(prompt)}`, "#555"][i] },
      at: leavingOut,
    });
    const [{ groups, sums }, whole] = reports;
    for (const group of groups) {
      expect(group.earned.map(({ reward }) => reward)).toEqual([0, 1, null]);
      expect([...group.advantages]).toEqual([-0.5, 0.5, 0]);
      expect(group.exploration[2]).toBe(0);
      expect(state.counter.count(group.question.text, "555")).toBeGreaterThan(0);
    }
    // #99 and a letter's place, each with its end
    expect(sums.tokens).toBe(4 * (4 + 3));
    expect(whole.sums.tokens).toBe(4 * (4 + 3 + 5));
    expect(calls.gradients.slice(0, 1).some(({ text }) => text.includes("555"))).toBe(false);
  });

  test("the listener is waited for, and the signal heeded between steps", async () => {
    const stop = new AbortController();
    const told: string[] = [];
    const { state } = await trained({
      maxSteps: 5,
      signal: stop.signal,
      async listen({ step }) {
        told.push(`begin ${step}`);
        await new Promise((resolve) => setTimeout(resolve, 1));
        told.push(`end ${step}`);
        if (step === 2) stop.abort();
      },
    });
    expect(told).toEqual(["begin 1", "end 1", "begin 2", "end 2"]);
    expect(state.step).toBe(2);
  });

  test("a gradient that is not finite ends the run before anything is counted", async () => {
    const state = fresh();
    const failed = trained({ state, fake: { gradNorm: null } });
    await expect(failed).rejects.toThrow(new NotFiniteError("loss"));
    expect([state.step, [...state.counter].length, state.solved.size]).toEqual([0, 0, 0]);
  });
});

describe("counts", () => {
  const again = { promptsPerStep: 6, numIterations: 2, stepsPerGeneration: 2 };

  test("are those of earlier steps when the bonus is read, and grow once a step", async () => {
    const { reports, state } = await trained({ ...again, maxSteps: 3 });
    for (const [i, { groups }] of reports.entries()) {
      const bonus = i === 0 ? 0.2 : 0.2 / Math.sqrt(i);
      for (const { exploration } of groups) {
        for (const one of exploration) expect(one).toBeCloseTo(bonus, 12);
      }
    }
    for (const { text, gold } of questions) {
      expect(state.counter.count(text, gold)).toBe(3);
      expect(state.counter.count(text, "77")).toBe(3);
    }
  });

  test("of a run that went before count on", async () => {
    const counter = new OutcomeCounter();
    for (const { text, gold } of questions) counter.addCount(text, gold, 16);
    const state = { ...fresh(), step: 1, counter };
    const { reports } = await trained({ ...again, state });
    for (const { exploration } of reports[0].groups) expect([...exploration]).toEqual([0.05, 0.2]);
  });

  test("a run cut in two asks, counts and moves like one that is not", async () => {
    const rates = { maxSteps: 4, lrSchedulerType: "linear", warmupSteps: 1 } as const;
    const whole = await trained(rates);
    const stop = new AbortController();
    const listen = ({ step }: StepReport) => {
      if (step === 2) stop.abort();
    };
    const first = await trained({ ...rates, signal: stop.signal, listen });
    const second = await trained({ ...rates, state: first.state });
    const asked = [...first.calls.generated, ...second.calls.generated];
    expect(asked).toEqual(whole.calls.generated);
    expect([...first.calls.updates, ...second.calls.updates]).toEqual(whole.calls.updates);
    expect([...second.state.counter]).toEqual([...whole.state.counter]);
  });
});

describe("a question is solved", () => {
  test("by a right answer, whatever it earned", async () => {
    // the wrong answers are longer, and earn more
    const { state, reports } = await trained({ promptsPerStep: 6, reward: "length" });
    expect(reports[0].groups[0].earned.map(({ reward }) => reward)).toEqual([3, 4]);
    expect([...state.solved].sort()).toEqual([...LETTERS]);
  });

  test("and not by a wrong one that is worth as much", async () => {
    const say = (prompt: string) => (prompt === "a" ? "#0" : "#77");
    const { state, reports } = await trained({
      promptsPerStep: 6,
      reward: "format",
      fake: { say },
    });
    for (const { earned } of reports[0].groups) expect(earned[0].reward).toBe(1);
    expect([...state.solved]).toEqual(["a"]);
    // where all are right there is nothing to explore
    for (const { question, exploration } of reports[0].groups) {
      expect([...exploration]).toEqual(question.text === "a" ? [0, 0] : [0.2, 0.2]);
    }
  });
});

describe("the learning rate", () => {
  const rates = (given: Partial<GrpoSettings>) =>
    trained(given).then(({ calls }) => calls.updates.map(({ rate }) => +rate.toFixed(6)));

  test("warms up and falls in steps, of however many updates", async () => {
    const linear = { lrSchedulerType: "linear", maxSteps: 4, warmupSteps: 1 } as const;
    const inThirds = [1, 2 / 3, 1 / 3].map((x) => +x.toFixed(6));
    expect(await rates(linear)).toEqual([0, ...inThirds]);
    const several = await rates({ ...linear, numIterations: 2, stepsPerGeneration: 2 });
    const expected = Array.from({ length: 16 }, (_, u) => (u < 4 ? u / 4 : (16 - u) / 12));
    expect(several).toEqual(expected.map((x) => +x.toFixed(6)));
  });

  test("of a step is that of its last update; updates are numbered from 1", async () => {
    const { reports, calls } = await trained({ lrSchedulerType: "linear", numIterations: 2 });
    expect(reports.map(({ learningRate }) => learningRate)).toEqual([0.75, 0.25]);
    expect(calls.updates.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
  });

  test("goes on where it was", () => {
    const linear = { ...settings, lrSchedulerType: "linear", maxSteps: 10 } as const;
    expect(scheduledRate(linear, 5)).toBe(0.5);
    expect(scheduledRate({ ...linear, numIterations: 2 }, 5)).toBe(0.75);
  });
});

describe("several updates of a step", () => {
  test("split its groups: each is learned from once in every pass", async () => {
    const parts = { promptsPerStep: 6, maxSteps: 1, numIterations: 2, stepsPerGeneration: 3 };
    const { calls, reports } = await trained(parts);
    const texts = reports[0].groups.map(({ completions: [one, other] }) => one.text + other.text);
    const pairs = [0, 2, 4].map((i) => texts[i] + texts[i + 1]);
    expect(calls.updates.map(({ learned }) => learned.join(""))).toEqual([...pairs, ...pairs]);
  });

  test("add up tokens and ratios, and the loss is their mean", async () => {
    const one = (await trained({ maxSteps: 1 })).reports[0].sums;
    const two = (await trained({ maxSteps: 1, numIterations: 2 })).reports[0].sums;
    expect([two.tokens, two.ratio, two.gradNorm]).toEqual([2 * one.tokens, 2 * one.ratio, 1]);
    expect(two.loss).toBeCloseTo(one.loss, 12);
  });
});

describe("dynamic sampling", () => {
  // a, b and c have answers that differ; all answers to the others are right, so that there is no signal
  const say = (prompt: string, sample: number) =>
    sample > 0 && "abc".includes(prompt) ? "#77" : `#${right(prompt)}`;

  test("fills a step up with fresh questions, and learns from those with a signal", async () => {
    const given = { filterZeroVariance: true, maxSteps: 1, fake: { say } };
    const { calls, reports, state } = await trained(given);
    const asked = calls.generated.map(({ prompt }) => prompt);
    expect(asked).toEqual(drawQuestions(5, 0, state.drawn, 6).map((place) => LETTERS[place]));
    expect(asked.length).toBeGreaterThan(4);
    // keys stay apart, and those replaced count as seen
    expect(calls.generated.map(({ slot }) => slot)).toEqual(asked.map((_, i) => i));
    expect(reports[0].groups.map(({ question }) => question.text)).toEqual(asked);
    expect(reports[0].groups.map(({ slot }) => slot)).toEqual(asked.map((_, i) => i));
    for (const letter of new Set(asked)) {
      const times = asked.filter((one) => one === letter).length;
      expect(state.counter.total(letter)).toBe(2 * times);
    }
    const telling = asked.filter((letter) => "abc".includes(letter)).slice(0, 4);
    const learned = telling.map((letter) => `#${right(letter)}#77`).join("");
    expect(calls.updates.map((update) => update.learned.join(""))).toEqual([learned]);
  });

  test("gives up after ten times the questions of a step", async () => {
    const given = { filterZeroVariance: true, maxSteps: 1, promptsPerStep: 3 };
    const { state, calls } = await trained({ ...given, fake: { say: (q) => `#${right(q)}` } });
    expect(state.drawn).toBe(30);
    expect(calls.updates.map(({ learned }) => learned)).toEqual([[]]);
  });

  test("learns from no more groups than a step has", async () => {
    const bonus = { filterZeroVariance: true, maxSteps: 1, promptsPerStep: 4 };
    const { calls, state } = await trained(bonus);
    expect(state.drawn).toBe(4);
    expect(calls.updates[0].learned.join("").split("#").length - 1).toBe(8);
  });
});
