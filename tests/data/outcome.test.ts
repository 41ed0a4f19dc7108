import { describe, expect, test } from "bun:test";
import { canonical, findAnswer, goldOutcome, judge } from "../../lib/data/outcome.ts";

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
  ])("%p states %p", (text, answer) => {
    const span = findAnswer(text);
    expect(span?.text).toBe(answer);
    expect(text.slice(span?.start, span?.end)).toBe(answer);
  });

  test.each(["", "35", "30,26,35", "12#", "#### \n72", "\\boxed{", "\\boxed{}", "<answer>", "}}}"])(
    "%p states none",
    (text) => expect(findAnswer(text)).toBeNull(),
  );
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
    expect(canonical(form)).toBe(form);
    for (const spelling of spellings)
      expect([spelling, canonical(spelling)]).toEqual([spelling, form]);
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
    for (const text of texts) expect(canonical(text)).toBe(text);
    expect(canonical("0.333")).not.toBe(canonical("1/3"));
    expect(canonical("9007199254740993")).not.toBe(canonical("9007199254740992"));
  });

  test("nothing left is null", () => {
    for (const text of ["", " ", ".", "$$", "\\text{}"]) expect(canonical(text)).toBeNull();
  });
});

describe("judging a completion", () => {
  test("a right answer, whatever its spelling, and the place it stands", () => {
    expect(judge("1,2#0.50", "1/2")).toEqual({
      outcome: "1/2",
      reward: 1,
      answerStart: 4,
      answerEnd: 8,
    });
  });

  test("a wrong answer has an outcome and no reward", () => {
    expect(judge("#7", "8")).toMatchObject({ outcome: "7", reward: 0 });
  });

  test("no answer, or a completion that was cut off, has the outcome null", () => {
    const none = {
      outcome: null,
      reward: 0,
      answerStart: null,
      answerEnd: null,
    } as const;
    expect(judge("7", "7")).toEqual(none);
    expect(judge("#7", "7", true)).toEqual(none);
  });

  test("the right answer may come as a worked solution", () => {
    expect(goldOutcome("9*8=72 #### 72")).toBe("72");
    expect(goldOutcome(" 72.0 ")).toBe("72");
    expect(goldOutcome(" ")).toBeNull();
  });
});

test("hostile text is judged in linear time", () => {
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
  ];
  for (const text of texts) {
    const start = performance.now();
    judge(text, "1");
    expect([text.slice(0, 12), performance.now() - start < 1000]).toEqual([
      text.slice(0, 12),
      true,
    ]);
  }
});
