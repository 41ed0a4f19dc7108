import { describe, expect, test } from "bun:test";
import { PURPOSE, type RolloutSettings, rollout } from "../lib/rollout.ts";
import { fakePolicy, questionsOf, SILENT } from "./fakes.ts";

const settings: RolloutSettings = {
  temperature: 0.9,
  topK: 3,
  topP: 0.8,
  minP: 0.1,
  maxCompletionLength: 20,
  stop: [],
  seed: 7,
};

/** What a policy that says this answers, one completion a text. */
async function said(texts: string[], given: Partial<RolloutSettings> = {}, answer = "12") {
  const { policy } = fakePolicy({ say: (_, sample) => texts[sample] });
  const all = { ...settings, ...given };
  const questions = questionsOf({ q: answer });
  const [group] = await rollout(policy, questions, texts.length, all, PURPOSE.train, 1);
  return group.completions;
}

test("asks every question so many times, each under its own key", async () => {
  const { policy, calls } = fakePolicy({ say: (prompt, sample) => `${prompt}${sample}` });
  const questions = questionsOf({ a: "1", b: "2", c: "3" });
  const groups = await rollout(policy, questions, 2, settings, PURPOSE.evaluate, 5, 10);
  expect(calls.generated.map(({ prompt, slot, samples }) => [prompt, slot, samples])).toEqual([
    ["a", 10, 2],
    ["b", 11, 2],
    ["c", 12, 2],
  ]);
  for (const { settings: given } of calls.generated) {
    expect(given).toMatchObject({ temperature: 0.9, topK: 3, topP: 0.8, minP: 0.1 });
    expect(given).toMatchObject({ maxNewTokens: 20, seed: [7, PURPOSE.evaluate], step: 5 });
    expect(given.stopIds).toBe(policy.stopIds);
    expect(given.isOver).toBeUndefined();
  }
  expect(groups.map(({ question, slot }) => [question.text, slot])).toEqual([
    ["a", 10],
    ["b", 11],
    ["c", 12],
  ]);
  expect(groups[1].completions.map(({ text }) => text)).toEqual(["b0", "b1"]);
});

test("training, evaluation and sampling have keys of their own", () => {
  expect(new Set(Object.values(PURPOSE)).size).toBe(3);
});

test("judges what was said, and finds the token at which the answer begins", async () => {
  const texts = ["6+6 = 12", "x#13", "no idea", `6${SILENT}6#${SILENT}12`];
  const [right, wrong, none, spaced] = await said(texts);
  expect([right.outcome, right.correct, right.form]).toEqual(["12", true, "last-number"]);
  expect([wrong.outcome, wrong.correct, wrong.form]).toEqual(["13", false, "hash"]);
  expect([none.outcome, none.correct, none.form]).toEqual([null, false, null]);
  expect([right.answerStart, wrong.answerStart]).toEqual([6, 2]);
  // all of it is reasoning, the end token included
  expect(none.answerStart).toBe(none.tokens.length);
  expect(none.tokens.length).toBe("no idea".length + 1);
  // of tokens that begin at one place the last one spells it
  expect(spaced.answerStart).toBe(5);
});

test("a completion that was cut off has stated no answer; one that ended has", async () => {
  const [cut, ended] = await said(["#12345678", "#12"], { maxCompletionLength: 5 });
  expect([cut.finished, cut.outcome, cut.correct]).toEqual([false, null, false]);
  expect([cut.tokens.length, cut.answerStart]).toEqual([5, 5]);
  expect([ended.finished, ended.outcome, ended.correct]).toEqual([true, "12", true]);
});

describe("stop texts", () => {
  test("end a completion, and are no part of its text", async () => {
    const stop = [";", "STOP"];
    const [first, second, never] = await said(["a12;b", "a12STOPb", "a12STO"], { stop });
    expect([first.text, second.text, never.text]).toEqual(["a12", "a12", "a12STO"]);
    expect([first.tokens.length, second.tokens.length]).toEqual([4, 7]);
    expect([first.finished, second.finished, never.finished]).toEqual([true, true, true]);
    expect([first.outcome, second.outcome]).toEqual(["12", "12"]);
  });

  test("are seen whole through tokens that spell nothing", async () => {
    const [spread] = await said([`12S${SILENT.repeat(8)}TOPx`], { stop: ["STOP", ";"] });
    expect([spread.text, spread.finished]).toEqual(["12", true]);
    expect(spread.tokens.length).toBe(2 + 8 + 4);
  });

  test("of several the first one counts", async () => {
    const [one] = await said(["1,2;3"], { stop: [";", ","] });
    const [within] = await said(["xaby"], { stop: ["ab", "b"] });
    expect([one.text, within.text]).toEqual(["1", "x"]);
  });
});
