import { describe, expect, test } from "bun:test";
import { parseReward, rewardRules } from "../beyond/settings/reward.ts";
import { hasSignal } from "../lib/explore/advantages.ts";
import { explorationSignal } from "../lib/explore/bonus.ts";
import { batch } from "../lib/explore/methods/batch.ts";
import { type Earning, earned, overlongPunishment } from "../lib/rewards.ts";

import { advantagesOf, groupOf } from "./fakes.ts";

const lengths = { maxCompletionLength: 100, overlongCache: 20 };
const rules = (text: string, outcome = "math", form: "any" | "boxed" = "any") =>
  rewardRules(parseReward(text, outcome).terms, form, lengths);
const completion = (given: Partial<Earning>, tokens = 10): Earning => ({
  correct: false,
  form: null,
  paid: [],
  tokens: { length: tokens },
  ...given,
});

describe("the sum of parts", () => {
  const all = rules("correct=1,format=0.1,length=-0.0005,overlong=0.5");

  test("each part with its weight, and unweighted beside it", () => {
    expect(earned(completion({ correct: true, form: "boxed" }, 90), all)).toEqual({
      reward: 1 + 0.1 - 0.045 - 0.25,
      parts: { correct: 1, format: 1, length: 90, overlong: -0.5 },
    });
    expect(earned(completion({}), all).reward).toBeCloseTo(-0.005, 12);
  });

  test("a mark is a form, a phrase and a last number are none; one may be asked for", () => {
    const format = (form: Earning["form"], asked: "any" | "boxed") =>
      earned(completion({ form }), rules("format=1", "math", asked)).reward;
    const forms = ["boxed", "tags", "hashes", "hash", "phrase", "last-number", null] as const;
    expect(forms.map((form) => format(form, "any"))).toEqual([1, 1, 1, 1, 0, 0, 0]);
    expect(forms.map((form) => format(form, "boxed"))).toEqual([1, 0, 0, 0, 0, 0, 0]);
  });

  test("the user's own reward is a part among others", () => {
    const paid = [
      { part: "user", weight: 2, value: 0.25 },
      { part: "style", weight: 9, value: null },
    ];
    expect(earned(completion({ paid }), rules("length=-0.1"))).toEqual({
      reward: -0.5,
      parts: { length: 10, user: 0.25, style: null },
    });
  });

  test("own code that pays null leaves the completion out", () => {
    const left = earned(completion({ paid: null, correct: true }), rules("correct=1"));
    expect(left).toEqual({ reward: null, parts: { correct: 1 } });
  });
});

test("DAPO's punishment: nothing up to L_max - L_cache, then linear to -1 at L_max (eq. 13)", () => {
  const at = (tokens: number) => overlongPunishment(tokens, 20480, 4096);
  expect([1, 16384, 16384 + 1024, 16384 + 2048, 20480, 20481].map(at)).toEqual([
    0, 0, -0.25, -0.5, -1, -1,
  ]);
});

describe("reading --reward", () => {
  test("without it: correct, or what the user's own code returns", () => {
    const correct = {
      terms: [{ part: "correct" as const, weight: 1 }],
      named: new Map(),
      user: null,
      files: [],
    };
    expect(parseReward(null, "math")).toEqual(correct);
    expect(parseReward(null, "./own.ts")).toEqual({ ...correct, terms: [], user: 1 });
  });

  test("files of one's own, their parts by name, and what own outcome code pays", () => {
    expect(parseReward("./a.ts, brevity=-0.2,../b/c.js=2,length=1e-3", "math")).toEqual({
      terms: [{ part: "length", weight: 1e-3 }],
      named: new Map([["brevity", -0.2]]),
      user: null,
      files: [
        { path: "./a.ts", weight: 1 },
        { path: "../b/c.js", weight: 2 },
      ],
    });
    expect(parseReward("accuracy=2,user=0", "./own.ts")).toEqual({
      terms: [],
      named: new Map([["accuracy", 2]]),
      user: 0,
      files: [],
    });
  });

  test.each([
    ["formt=1", '--reward has no part "formt"; did you mean format?'],
    [
      "speed=1",
      '--reward has no part "speed"; there are correct, format, length, overlong, and what code of your own pays: ./my-rewards.ts',
    ],
    ["correct", "--reward correct needs a weight, such as correct=0.5"],
    ["length=-x", "--reward length=-x needs a weight, such as length=0.5"],
    ["correct=1=2", "--reward correct=1=2 needs a weight, such as correct=0.5"],
    ["correct=1,correct=2", "--reward gives correct twice"],
    ["speed=1,./a.ts=x", "--reward ./a.ts=x needs a weight, such as ./a.ts=0.5"],
    ["user=1,./a.ts", "--reward user=... needs code of your own"],
    ["user=1", "--reward user=... needs code of your own: --outcome ./my-outcome.ts"],
  ])("%p is refused", (text, message) => {
    expect(() => parseReward(text, "math")).toThrow(message);
  });

  test("the cache is a fifth of a completion unless given, and never longer than one", () => {
    const cache = (maxCompletionLength: number, overlongCache: number | null) =>
      rewardRules([], "any", { maxCompletionLength, overlongCache }).overlongCache;
    expect([cache(20480, null), cache(3, null), cache(50, 50)]).toEqual([4096, 1, 50]);
    expect(() => cache(50, 51)).toThrow(
      "--overlong-cache 51 must not exceed --max-completion-length 50",
    );
  });
});

describe("what the loss sees", () => {
  const group = [completion({ correct: true }, 10), completion({ correct: true }, 30)];
  const rewards = (text: string, of = group) =>
    of.map((one) => earned(one, rules(text)).reward ?? Number.NaN);

  test("a solved group learns from length and still gets no exploration", () => {
    const [plain, shorter] = ["correct=1", "correct=1,length=-0.01"].map(
      (text) => advantagesOf([rewards(text)], "none")[0],
    );
    expect([...plain]).toEqual([0, 0]);
    expect([...shorter].map((a) => a.toFixed(6))).toEqual(["0.100000", "-0.100000"]);
    const exploration = explorationSignal(
      [{ method: batch, coefficient: 1, parameters: {} }],
      groupOf({
        outcomes: ["1", "1"],
        counts: [9, 9],
        correct: group.map(({ correct }) => correct),
      }),
    );
    expect([...exploration]).toEqual([0, 0]);
    expect([hasSignal(plain, exploration, "all"), hasSignal(shorter, exploration, "all")]).toEqual([
      false,
      true,
    ]);
  });

  test("a part that all share changes no advantage", () => {
    const mixed = [completion({ correct: true, form: "boxed" }), completion({ form: "boxed" })];
    const advantages = (text: string) => [...advantagesOf([rewards(text, mixed)], "none")[0]];
    expect(advantages("correct=1,format=0.5")).toEqual(advantages("correct=1"));
  });
});
