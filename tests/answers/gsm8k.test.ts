import { expect, test } from "bun:test";
import { openJudge } from "../../beyond/answers/outcome.ts";

// what stands behind #### in the 7,473 training and 1,319 test rows of GSM8K
const file = new URL("./gsm8k-answers.txt", import.meta.url);
const golds = (await Bun.file(file).text()).trim().split("\n");

const FORMS = [
  (n: string) => `So it is that.\n#### ${n}`,
  (n: string) => `so \\boxed{${n}}`,
  (n: string) => `so $\\boxed{\\$${n}}$.`,
  (n: string) => `<answer>${n}</answer>`,
  (n: string) => `The answer is ${n}.`,
  (n: string) => `so \\boxed{${n} \\text{ dollars}}`,
];

/** Off by one, without a digit, with the other sign, ten times as much. */
function beside(gold: string): string[] {
  const n = Number(gold.replaceAll(",", ""));
  const digits = gold.replace(/[^\d]/g, "");
  const shorter = digits.length > 1 ? [digits.slice(1), digits.slice(0, -1)].map(Number) : [];
  const others = [n + 1, n - 1, -n, 10 * n, ...shorter];
  return [...new Set(others.filter((one) => one !== n))].map(String);
}

test("each answer of GSM8K earns itself in every form, and one beside it never does", async () => {
  expect(golds.length).toBe(8792);
  const math = await openJudge("math");
  for (const [i, answer] of golds.entries()) {
    const row = { question: `q${i}`, answer: `Work.\n#### ${answer}`, line: i + 1 };
    const gold = math.gold(row) as string;
    const wrong = beside(answer);
    const texts = [...FORMS.map((form) => form(answer)), ...wrong.map((n, k) => FORMS[k % 5](n))];
    const judged = await math.judge(
      texts.map((text) => ({ text, truncated: false })),
      { row, gold },
    );
    const correct = judged.map((one) => one.correct);
    expect([answer, correct]).toEqual([answer, texts.map((_, k) => k < FORMS.length)]);
  }
});
