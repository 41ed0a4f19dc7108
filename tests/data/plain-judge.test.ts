import { describe, expect, test } from "bun:test";
import type { Row } from "../../lib/data/judge.ts";
import { plainJudge } from "../../lib/data/plain-judge.ts";
import { prepareQuestions } from "../../lib/data/questions.ts";
import { UserError } from "../../lib/errors.ts";

const row = (answer: string): Row => ({ question: "q", answer, line: 3 });
const judge = async (text: string, gold = "1200", truncated = false) =>
  (await plainJudge.judge([{ text, truncated }], { row: row(gold), gold }))[0];

describe("the plain judge", () => {
  test.each([
    ["\\boxed{7} and \\boxed{1,200}", "boxed", "1,200"],
    ["is 7\n#### 1200\n", "hashes", "1200"],
    ["= 3 #1200", "hash", "1200"],
    ["7, so it is 1200.0", "last-number", "1200.0"],
    ["\\boxed{1200} #### 8", "boxed", "1200"],
  ])("finds the answer of %p", async (text, form, stated) => {
    const { outcome, correct, answerStart, answerEnd, ...rest } = await judge(text);
    expect([outcome, correct, rest.form]).toEqual(["1200", true, form]);
    expect(text.slice(answerStart ?? 0, answerEnd ?? 0)).toBe(stated);
  });

  test("gives equal numbers one outcome, and texts their own", async () => {
    for (const text of ["#-0.50", "#-.5", "#-0.5"]) {
      expect((await judge(text)).outcome).toBe("-0.5");
    }
    expect((await judge("#### north west")).outcome).toBe("north west");
    expect((await judge("#12")).correct).toBe(false);
  });

  test("finds none where none is stated, or all was cut off", async () => {
    for (const one of [await judge("no idea"), await judge("#1200", "1200", true)]) {
      expect(one).toMatchObject({ outcome: null, correct: false, form: null, answerStart: null });
    }
  });

  test("reads the answers of rows, bare or worked out", () => {
    const golds = ["1,200", " 16 ", "3 + 4 = 7\n#### 7", "north west", "step 2 goes west"].map(
      (answer) => plainJudge.gold(row(answer)),
    );
    expect(golds).toEqual(["1200", "16", "7", "north west", "step 2 goes west"]);
    const prompter = { encodePrompt: () => [1] };
    const prepare = () => prepareQuestions(prompter, [row(" ")], "f.jsonl", plainJudge);
    expect(prepare).toThrow(UserError);
    expect(prepare).toThrow("f.jsonl:3: the answer is empty");
  });
});
