import { afterAll, describe, expect, test } from "bun:test";
import { openJudge } from "../../beyond/answers/outcome.ts";
import { openEmbeddedModel } from "../../beyond/models/embedded.ts";
import { Tokenizer } from "../../beyond/models/tokenizer.ts";
import { fitContext } from "../../beyond/opening/lengths.ts";
import { OpenPolicy } from "../../beyond/opening/policy.ts";
import { type Prompter, prepareQuestions } from "../../lib/data/questions.ts";
import type { GenerationSettings } from "../../lib/model/completion.ts";
import type { SamplingPolicy } from "../../lib/policy.ts";
import { PURPOSE, rollout } from "../../lib/rollout.ts";
import { questionsOf } from "../fakes.ts";
import tokenizers from "../golden/tokenizer.json";
import { borrowGpu } from "../kernels.ts";

const gpu = await borrowGpu();
afterAll(() => gpu.destroy());

const sampling = { rows: 64, samplesPerPrompt: 32, maxPromptTokens: 12, maxNewTokens: 20 };
const policy = await OpenPolicy.open(gpu, await openEmbeddedModel(), { sampling });
const rows = [
  { question: "12+3-4+5=", answer: "16", line: 1 },
  { question: "20-1-1-1=", answer: "####17", line: 2 },
];
const outcome = await openJudge("number");
const prompter: Prompter = {
  encodePrompt: ({ question }, where) => policy.tokenizer.encodePrompt(question, where),
};
const questions = prepareQuestions(prompter, rows, "test.jsonl", outcome);
const settings = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  maxCompletionLength: 20,
  stop: [] as string[],
  seed: 1,
};
const groups = await rollout(policy, questions, 32, settings, PURPOSE.train, 1);

describe("a rollout", () => {
  test("answers every question n times, and knows the right answer", () => {
    expect(groups.map(({ completions }) => completions.length)).toEqual([32, 32]);
    expect(groups.map(({ slot }) => slot)).toEqual([0, 1]);
    for (const { question, completions } of groups) {
      for (const { outcome, correct, form } of completions) {
        expect(correct).toBe(outcome === question.gold);
        expect(form).toBe(outcome === null ? null : "hash");
      }
      expect(completions.some(({ correct }) => correct)).toBe(true);
      expect(completions.some(({ correct }) => !correct)).toBe(true);
    }
  });

  test("says at which token the answer begins", () => {
    for (const { text, tokens, answerStart, outcome } of groups.flatMap((g) => g.completions)) {
      if (outcome === null) expect(answerStart).toBe(tokens.length);
      // One token a character here: the answer follows the mark.
      else expect(text[answerStart - 1]).toBe("#");
    }
  });

  test("cut off at its limit a completion has no outcome", async () => {
    const short = { ...settings, maxCompletionLength: 3 };
    const [{ completions }] = await rollout(policy, questions, 32, short, PURPOSE.train, 1);
    const cut = completions.filter(({ finished }) => !finished);
    expect(cut.length).toBeGreaterThan(0);
    for (const { outcome, correct, tokens } of cut) {
      expect([outcome, correct, tokens.length]).toEqual([null, false, 3]);
    }
  });

  test("a stop text ends a completion and is left out of its text", async () => {
    const stopped = { ...settings, stop: [","] };
    const result = await rollout(policy, questions, 32, stopped, PURPOSE.train, 1);
    const texts = result.flatMap(({ completions }) => completions.map(({ text }) => text));
    expect(texts.some((text) => text.includes(","))).toBe(false);
    const whole = groups.flatMap(({ completions }) => completions.map(({ text }) => text));
    expect(texts).toEqual(whole.map((text) => text.split(",")[0]));
  });

  test("training, evaluation and sampling never share random numbers", async () => {
    const texts = async (purpose: number) =>
      (await rollout(policy, questions, 32, settings, purpose, 1))[0].completions.map(
        (c) => c.text,
      );
    const trained = await texts(PURPOSE.train);
    expect(trained).toEqual(groups[0].completions.map(({ text }) => text));
    expect(await texts(PURPOSE.evaluate)).not.toEqual(trained);
    expect(await texts(PURPOSE.sample)).not.toEqual(trained);
  });
});

describe("questions that cannot be asked", () => {
  test("a prompt that leaves no room for a completion", () => {
    const fit = (maxCompletionLength: number | null, context: number) =>
      fitContext({ maxCompletionLength }, questions, context).maxCompletionLength;
    expect(() => fit(20, 25)).toThrow(/has 9 tokens, .*leaves 5 .*; lower that to 16 or less$/);
    expect(() => fit(1, 8)).toThrow(/shorten it$/);
    expect([fit(16, 25), fit(null, 64), fit(null, 4096)]).toEqual([16, 32, 256]);
  });

  test("a text the tokenizer cannot spell, and an empty answer, name file and line", () => {
    const bad = [{ question: "1x2=", answer: "2", line: 7 }];
    const prepare = (some: typeof rows) => prepareQuestions(prompter, some, "d.jsonl", outcome);
    expect(() => prepare(bad)).toThrow(/^d\.jsonl:7: .*cannot spell "x"; pass --model/);
    expect(() => prepare([{ ...rows[0], answer: " " }])).toThrow(/^d\.jsonl:1: .*answer is empty/);
  });
});

test("a stop text may be a special token, which then is no part of the completion", async () => {
  const json = JSON.stringify(tokenizers.tokenizers.qwen.json);
  const tokenizer = new Tokenizer({ "tokenizer.json": json }, "m");
  const tokens = [...tokenizer.encode("4<|im_end|>"), ...tokenizer.encode("5")];
  const sampler = {
    async generate(_: unknown, requests: unknown[], { isOver }: GenerationSettings) {
      const length = tokens.findIndex((_, i) => isOver?.(tokens.slice(0, i + 1))) + 1;
      const drawn = length > 0 ? tokens.slice(0, length) : tokens;
      const zeros = drawn.map(() => 0);
      const one = { tokens: drawn, logprobs: zeros, entropies: zeros, finished: length > 0 };
      return requests.map(() => [one]);
    },
  };
  const policy = { tokenizer, stopIds: new Set<number>(), weights: {}, sampler };
  const settings = { temperature: 1, topK: 0, topP: 1, minP: 0, maxCompletionLength: 9, seed: 1 };
  const said = async (stop: string[]) => {
    const questions = questionsOf({ q: "4" });
    const asked = policy as unknown as SamplingPolicy;
    const [{ completions }] = await rollout(asked, questions, 1, { ...settings, stop }, 0, 1);
    return [completions[0].text, completions[0].finished];
  };
  expect(await said(["<|im_end|>"])).toEqual(["4", true]);
  expect(await said([])).toEqual(["4<|im_end|>5", false]);
});
