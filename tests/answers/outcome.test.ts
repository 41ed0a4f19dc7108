import { describe, expect, test } from "bun:test";
import { findAnswer, findStated, lastNumber } from "../../beyond/answers/extract.ts";
import { numberKey } from "../../beyond/answers/math/number.ts";
import { openJudge } from "../../beyond/answers/outcome.ts";
import type { Completed } from "../../lib/data/judge.ts";
import { processorMs } from "./pairs.ts";

describe("where the answer stands", () => {
  test.each([
    ["30,26,35#35", "35"],
    ["so 9 * 8 = 72\n#### 72\n", "72"],
    ["#1#2", "2"],
    ["# Title\nwork\nThe answer is 12. Done.", "12"],
    ["the answer is: 3.5", "3.5"],
    ["The answer is 1. No, the answer is 2!", "2"],
    ["\\boxed{1} then \\boxed{\\frac{1}{2}} # 7", "\\frac{1}{2}"],
    ["\\boxed{\\boxed{3}}", "3"],
    ["\\boxed{4} and \\boxed{5", "4"],
    ["{ \\boxed{6}", "6"],
    ["\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"],
    ["\\boxed{7} \\boxed{ }", "7"],
    ["<answer> 8 </answer> the answer is 9", "8"],
    ["</answer>7<answer>7<answer>8</answer>9</answer>", "8"],
  ])("%p states %p", (text, answer) => {
    const span = findAnswer(text);
    expect(span?.text).toBe(answer);
    expect(text.slice(span?.start, span?.end)).toBe(answer);
  });

  test.each([
    "",
    "<answer></answer></answer>",
    "35",
    "30,26,35",
    "12#",
    "#### \n72",
    "\\boxed{",
    "\\boxed{}",
    "<answer>",
    "}}}",
  ])("%p states none", (text) => expect(findAnswer(text)).toBeNull());
});

describe("canonical form", () => {
  test.each([
    [
      "1/2",
      [
        "0.5",
        ".5",
        "0.50",
        "\\frac12",
        "\\frac{1}{2}",
        "\\dfrac{1}{2}",
        "$\\frac{2}{4}$",
        "50%",
        "50\\%",
        "-1/-2",
        "00.5",
        "+1/2",
        "\\frac{.5}{1}",
        "2 / 4",
        "**0.5**",
        "\\(1/2\\)",
      ],
    ],
    ["-1/2", ["-0.5", "\u22120.5", "-\\frac12", "\\frac{-1}{2}", "1/-2", "- 1/2", "\\frac{1}{-2}"]],
    [
      "1234567",
      [
        "1,234,567",
        "1234567.0",
        "1{,}234{,}567",
        "01234567",
        "$1,234,567",
        "\\$1234567.",
        "\\text{1234567}",
        "1\\,234\\,567",
      ],
    ],
    ["0", ["-0", "0.000", "0/5", "+0", "0%"]],
    ["123456789012345678901234567891", ["123456789012345678901234567891.00"]],
    ["1/3", ["2/6"]],
    ["paris", ["Paris.", " PARIS ", "$Paris$", "\\text{Paris}"]],
    ["x + 1", ["x  +\n1"]],
  ])("%p", (form, spellings) => {
    expect(numberKey(form)).toBe(form);
    for (const spelling of spellings)
      expect([spelling, numberKey(spelling)]).toEqual([spelling, form]);
  });

  test("what is not one plain number stays text, and different answers stay different", () => {
    const texts = [
      "1/0",
      "1,23",
      "12,345,6",
      "3-4",
      "1/2/3",
      "1e5",
      "0x10",
      "(1,2)",
      "\\frac{x}{2}",
      "1 2",
    ];
    for (const text of texts) expect(numberKey(text)).toBe(text);
    expect(numberKey("0.333")).not.toBe(numberKey("1/3"));
    expect(numberKey("9007199254740993")).not.toBe(numberKey("9007199254740992"));
  });

  test("nothing left is null", () => {
    for (const text of ["", " ", ".", "$$", "\\text{}"]) expect(numberKey(text)).toBeNull();
  });
});

const row = (answer: string) => ({ question: "q", answer, line: 1 });
const whole = (text: string): Completed => ({ text, truncated: false });

/** Judges one text against a right answer, as `train` would. */
async function judge(kind: string, text: string, answer: string, truncated = false) {
  const outcome = await openJudge(kind);
  const gold = outcome.gold(row(answer));
  if (gold === null) throw new Error("no right answer");
  return (await outcome.judge([{ text, truncated }], { row: row(answer), gold }))[0];
}

describe("judging a completion", () => {
  test("a right answer, whatever its spelling, and the place it stands", async () => {
    const place = { form: "hash", answerStart: 4, answerEnd: 8 } as const;
    const right = { outcome: "1/2", correct: true, paid: [], ...place };
    expect(await judge("number", "1,2#0.50", "1/2")).toEqual(right);
    expect(await judge("math", "1,2#0.50", "\\frac12")).toEqual(right);
  });

  test("a wrong answer has an outcome", async () => {
    expect(await judge("number", "#7", "8")).toMatchObject({ outcome: "7", correct: false });
  });

  test("no answer, or a completion that was cut off, has the outcome null", async () => {
    const place = { form: null, answerStart: null, answerEnd: null };
    const none = { outcome: null, correct: false, paid: [], ...place };
    for (const kind of ["number", "math", "exact", "choice"]) {
      expect(await judge(kind, "7", "A")).toEqual(none);
      expect(await judge(kind, "\\boxed{A}", "A", true)).toEqual(none);
    }
  });

  test("the right answer may come as a worked solution", async () => {
    const number = await openJudge("number");
    expect(number.gold(row("9*8=72 #### 72"))).toBe("72");
    expect(number.gold(row(" 72.0 "))).toBe("72");
    expect(number.gold(row(" "))).toBeNull();
  });
});

describe("mathematical answers", () => {
  test("one that is found equal takes the key that is there", async () => {
    const math = await openJudge("math");
    const asked = { row: row("\\frac{1}{2}"), gold: "1/2" };
    const texts = [
      "\\boxed{\\sin 30^\\circ}",
      "\\boxed{\\cos(\\pi/5)}",
      "\\boxed{\\frac{1+\\sqrt5}{4}}",
    ];
    const judged = await math.judge(texts.map(whole), asked);
    expect(judged.map(({ outcome, correct }) => [outcome, correct])).toEqual([
      ["1/2", true],
      ["cos(1/5*pi)", false],
      ["cos(1/5*pi)", false],
    ]);
  });

  test("one counted before a run was resumed is joined too", async () => {
    const math = await openJudge("math");
    math.remember("q", "cos(1/5*pi)");
    const [{ outcome }] = await math.judge([whole("\\boxed{\\frac{1+\\sqrt5}{4}}")], {
      row: row("2"),
      gold: "2",
    });
    expect(outcome).toBe("cos(1/5*pi)");
  });

  test("a heading is no answer", () => {
    expect(findStated("# Solution")).toBeNull();
    expect(findStated("30,35#35")?.text).toBe("35");
  });

  test("what cannot be computed is not computed for ever", async () => {
    const began = processorMs();
    for (const text of [
      "9^9^9^9",
      "9^{9^{9^{9}}}",
      "(1+x)^{99999}",
      "((x+y+z+1)^{12})^{12}",
      "\\binom{9999999}{333333}",
      "\\infty<\\pi",
      "e\\le\\pi<i",
    ]) {
      expect((await judge("math", `\\boxed{${text}}`, "1")).correct).toBe(false);
    }
    expect(processorMs() - began).toBeLessThan(2000);
  });
});

describe("the last number, if asked", () => {
  test.each([
    ["so it costs $1,234.50.", "1,234.50"],
    ["5-3 = 2, thus 7-9=-2", "-2"],
    ["x-3", "3"],
    ["three quarters: 3/4 or 75%", "75%"],
    ["between 1, 2 and .5", ".5"],
    ["version 1.2.3 of A4", "1.2"],
    ["none", undefined],
  ])("of %p is %p", (text, number) => {
    const found = lastNumber(text);
    expect(found?.text).toBe(number);
    expect(text.slice(found?.start, found?.end)).toBe(number ?? text);
  });

  test("only where nothing is marked, and in a completion that ended", async () => {
    for (const kind of ["math:last-number", "number:last-number"]) {
      const form = { form: "last-number" };
      expect(await judge(kind, "I get 1/2 of 14", "14")).toMatchObject({ correct: true, ...form });
      expect((await judge(kind, "\\boxed{13} of 14", "14")).outcome).toBe("13");
      expect((await judge(kind, "I get 14", "14", true)).outcome).toBeNull();
      expect((await judge(kind.split(":")[0], "I get 14", "14")).outcome).toBeNull();
    }
  });
});

test.each([
  ["choice", "The answer is (B).", "B", true],
  ["choice", "\\boxed{\\text{C) 12}}", "C", true],
  ["choice", "\\boxed{D}", "C", false],
  ["exact", "the answer is: New  York", "new york", true],
  ["regex:=> (\\w+)", "first => 3, then => four", "=> four", true],
])("%s: %p against %p", async (kind, text, answer, correct) => {
  expect((await judge(kind, text, answer)).correct).toBe(correct);
});

test("options spelled out are their letters", async () => {
  const choice = await openJudge("choice");
  const asked = (fields?: Record<string, unknown>, question = "q") => ({
    row: { question, answer: "B", line: 1, fields },
    gold: "B",
  });
  const inQuestion = asked(undefined, "Which? (A) \\(\\frac12\\) (B) a dog (C) 7");
  const listed = asked({ choices: ["a cat", "a dog"] });
  for (const one of [inQuestion, listed]) {
    const [named] = await choice.judge([whole("the answer is a dog.")], one);
    expect([named.outcome, named.correct]).toEqual(["B", true]);
  }
  const [half] = await choice.judge([whole("\\boxed{0.5}")], inQuestion);
  expect(half.outcome).toBe("A");
});

test("countdown: any expression that uses each number once and hits the target", async () => {
  const countdown = await openJudge("countdown");
  const task = { question: "q", answer: "24", line: 1, fields: { nums: [2, 3, 4], target: 24 } };
  const texts = [
    "2*3*4",
    "4*(3*2)",
    "(2+4)*3",
    "2*3*4*1",
    "4*3*2=24",
    "\\frac{4}{2}*3",
    "24",
    "x",
    "4/(2-2)",
  ];
  const judged = await countdown.judge(
    texts.map((text) => whole(`<answer>${text}</answer>`)),
    { row: task, gold: "24" },
  );
  expect(judged.map(({ correct }) => correct)).toEqual([
    true,
    true,
    false,
    false,
    true,
    false,
    false,
    false,
    false,
  ]);
  expect(judged[0].outcome).toBe(judged[1].outcome);
  expect(judged.slice(-2).map(({ outcome }) => outcome)).toEqual([null, null]);
  // a question that was typed has no numbers: what was answered is told, and nothing is known to be right
  const typed = { question: "q", answer: "", line: 0 };
  const [told] = await countdown.judge([whole("<answer>2*3*4</answer>")], { row: typed, gold: "" });
  expect([told.outcome, told.correct]).toEqual([judged[0].outcome, false]);
  expect(() => countdown.gold({ ...typed, answer: "24" })).toThrow(/needs "nums"/);
});

test("hostile text is judged in linear time", async () => {
  const n = 200_000;
  const texts = [
    "\\boxed{".repeat(n / 7),
    "{".repeat(n),
    "}".repeat(n),
    "\\".repeat(n),
    "#".repeat(n),
    `#${"9".repeat(n)}`,
    `\\boxed{${"1,111".repeat(n / 5)}}`,
    `# ${" ".repeat(n)}x`,
    "answer is ".repeat(n / 10),
    "<answer>".repeat(n / 8),
    "$".repeat(n),
    `#${"**".repeat(450)}`,
    `\\boxed{${"\\text{".repeat(100)}${"}".repeat(101)}`,
    `#${"1".repeat(990)}/${"3".repeat(9)}`,
    `#${"0".repeat(990)}x`,
    `#${"\\left".repeat(150)}`,
    `\\boxed{${"(".repeat(400)}1${")".repeat(400)}}`,
    `\\boxed{${"\\sqrt{".repeat(150)}2${"}".repeat(150)}}`,
    `\\boxed{${"(a+b+c+d)".repeat(100)}}`,
    `\\boxed{\\sqrt{${"9".repeat(900)}}}`,
    `\\boxed{1e9999}`,
    `\\boxed{${"x^".repeat(400)}2}`,
    `\\boxed{${"cm ".repeat(300)}}`,
    `\\boxed{1 ${"apple ".repeat(150)}!}`,
    `\\boxed{${"\\frac1".repeat(160)}}`,
  ];
  for (const kind of ["number", "math", "choice", "exact"]) {
    for (const text of texts) {
      const start = processorMs();
      await judge(kind, text, "A");
      const quick = processorMs() - start < 1000;
      expect([kind, text.slice(0, 24), quick]).toEqual([kind, text.slice(0, 24), true]);
    }
  }
});
