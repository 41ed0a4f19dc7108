import { describe, expect, test } from "bun:test";
import { findStated } from "../../beyond/answers/extract.ts";
import { openJudge } from "../../beyond/answers/outcome.ts";
import { thinkingOf, USUAL, withoutThinking } from "../../beyond/answers/thinking.ts";
import { processorMs } from "./pairs.ts";

async function judged(gold: string, text: string, outcome = "math") {
  const judge = await openJudge(outcome);
  const row = { question: "q", answer: gold, line: 1 };
  const right = judge.gold(row);
  if (right === null) throw new Error(`no gold in ${gold}`);
  return (await judge.judge([{ text, truncated: false }], { row, gold: right }))[0];
}

describe("announced answers", () => {
  test.each([
    ["**Answer**: 5", "5"],
    ["__Answer__: 5", "5"],
    ["**Answer:** 5", "5"],
    ["**Answer: 5**", "5"],
    ["**The answer is 5.**", "5"],
    ["**Final Answer**\n\n$5$", "$5$"],
    ["### Final Answer\n5", "5"],
    ["Answer:\n5\nand so on", "5"],
    ["Answer:\n```\n5\n```", "5"],
    ["Answer: `$13$`", "$13$"],
    ["Answer = 5", "5"],
    ["Answer: 5<|im_end|>", "5"],
    ["The answer is 5</s>", "5"],
    ["The answer to the problem is 34.", "34"],
    ["So the answer is just 5", "5"],
    ["The answers are 1 and 2.", "1 and 2"],
    ["The answer is 5 because 2+3=5.", "5"],
    ["The answer is 72, which is the total.", "72"],
    ["The answer is 72 clips, altogether.", "72 clips"],
    ["The answer is red, white, and blue.", "red, white, and blue"],
    ["The answer is 1, 2, and 3.", "1, 2, and 3"],
    ["The answer is 5k, where k is whole.", "5k, where k is whole"],
    ["Answer: 1\nAnswer: 2", "2"],
    ["#### Answer: 5", "5"],
    ["#### The final answer is: 5", "5"],
    ["<answer>The answer is 5</answer>", "5"],
    ["<Answer>5</ANSWER>", "5"],
    ["\\boxed{\\text{Answer: } 5}", "5"],
    ["\\boxed{\\text{The answer is 5}}", "5"],
    ["$\\boxed {5}$", "5"],
    ["\\boxed\n{5}", "5"],
  ])("%p states %p", (text, answer) => {
    const found = findStated(text);
    expect(found?.text).toBe(answer);
    expect(text.slice(found?.start, found?.end)).toBe(answer);
  });

  test.each(["The answer choices follow.", "# Answer", "Answer:\n\n", "an answerable question"])(
    "%p states none",
    (text) => expect(findStated(text)).toBeNull(),
  );
});

describe("several answers", () => {
  test.each([
    ["\\boxed{1}. No: \\boxed{2}", "2"],
    ["\\boxed{1} and \\boxed{2}", "1, 2"],
    ["$x=\\boxed{1}$ or $x=\\boxed{2}$", "1, 2"],
    ["$\\boxed{1}$, $\\boxed{2}$, and $\\boxed{3}$", "1, 2, 3"],
    ["$x=\\boxed{3}$ and $y=\\boxed{4}$", "x=3, y=4"],
    ["\\boxed{5} and \\boxed{5}", "5"],
    ["\\boxed{3}, so that in the end there are \\boxed{4}", "4"],
  ])("%p states %p", (text, answer) => expect(findStated(text)?.text).toBe(answer));

  test("half of an answer earns nothing, and neither does the one that is right by chance", async () => {
    expect((await judged("{1,2}", "\\boxed{1} and \\boxed{2}")).correct).toBe(true);
    expect((await judged("2", "$x=\\boxed{1}$ or $x=\\boxed{2}$")).correct).toBe(false);
    expect((await judged("\\boxed{1} and \\boxed{2}", "\\boxed{2}")).correct).toBe(false);
    expect((await judged("1", "The answer is 1. The answer is 2.")).correct).toBe(false);
  });
});

describe("thinking", () => {
  test.each([
    ["<think>\\boxed{12} hmm let me check", "12", false],
    ["<think>maybe \\boxed{12}?</think>\n<answer>13</answer>", "13", true],
    ["maybe \\boxed{12}?</think>\nThe answer is 13", "13", true],
    ["maybe \\boxed{12}?</think>\nI do not know", "12", false],
    ["<think>a</think>\\boxed{5}<think>\\boxed{6}</think>", "5", true],
    ["[THINK]\\boxed{1}[/THINK]\\boxed{2}", "2", true],
    ["<|channel|>analysis<|message|>\\boxed{1}<|end|>\\boxed{2}", "2", true],
  ])("%p earns %p: %p", async (text, gold, correct) => {
    expect((await judged(gold, text)).correct).toBe(correct);
    expect((await judged(gold, text, "math:last-number")).correct).toBe(correct);
  });

  test("answers stand where they stood", async () => {
    const text = "<think>\n\\boxed{1}</think> \\boxed{13}";
    const { answerStart, answerEnd } = await judged("13", text);
    expect(text.slice(answerStart ?? 0, answerEnd ?? 0)).toBe("13");
  });

  test("delimiters are the template's, the prompt's or the user's own", () => {
    const template = "{% if x %}<ifm|think>{{ y }}</ifm|think>{% endif %}";
    const own = thinkingOf(template, "Q: <ifm|think>\n", null);
    expect(withoutThinking("1</ifm|think>2", own).trim()).toBe("2");
    expect(withoutThinking("\\boxed{1}", own).trim()).toBe("");
    const given = thinkingOf(null, "Q:", ["{{", "}}"]);
    expect(withoutThinking("{{1}}2", given).trim()).toBe("2");
    const closed = thinkingOf(null, "<think>\n\n</think>\n\n", null);
    expect(withoutThinking("3", closed)).toBe("3");
  });

  test("hostile text takes linear time", () => {
    const began = processorMs();
    for (const piece of [
      "<think>",
      "</think>",
      "<think></think>",
      "\\boxed{1} and ",
      "Answer:\n",
    ]) {
      const text = piece.repeat(20_000);
      withoutThinking(text, USUAL);
      findStated(text);
    }
    expect(processorMs() - began).toBeLessThan(1000);
  });
});

describe("right answers as data sets write them", () => {
  test.each([
    ['["34"]', "34"],
    ["['34']", "34"],
    ['["1/3", "0.33"]', "0.33"],
    ["9 (apples)", "9"],
    ["Tom has 3 and buys 15 more of them in the shop.\n3 + 15 = 18\nA: 18", "18"],
    ["<think>is it \\boxed{4}?</think> \\boxed{5}", "5"],
  ])("%p is earned by %p", async (gold, answer) => {
    expect((await judged(gold, `\\boxed{${answer}}`)).correct).toBe(true);
  });

  test("the last number of a worked solution, if asked, but of no bare answer", async () => {
    const solution = "Tom has 3 and buys 15 more of them in the shop. So he has 18 of them.";
    expect((await judged(solution, "\\boxed{18}", "math:last-number")).correct).toBe(true);
    expect((await judged("x+1", "\\boxed{1}", "math:last-number")).correct).toBe(false);
    const bare = await judged("14", "It is 14. The answer is as said.", "math:last-number");
    expect([bare.correct, bare.form]).toEqual([true, "last-number"]);
  });
});
