import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { openJudge } from "../../beyond/answers/outcome.ts";
import { OwnCodeError } from "../../beyond/own/mistakes.ts";
import { provideBuiltIns } from "../../beyond/own/provide.ts";
import { payingJudge } from "../../beyond/own/rewards.ts";
import { parseReward, rewardRules } from "../../beyond/settings/reward.ts";
import type { Judge } from "../../lib/data/judge.ts";
import { earned } from "../../lib/rewards.ts";
import { OwnFiles } from "./files.ts";

const files = new OwnFiles();
beforeAll(provideBuiltIns);
afterAll(() => files.remove());

const row = { question: "2+3=", answer: "5", line: 7, fields: { level: "hard" } };

/** A judge as `train` has it. */
async function opened(outcome: string, reward: string | null = null): Promise<Judge> {
  const judge = await openJudge(outcome, 1, undefined, 10);
  return payingJudge(judge, parseReward(reward, outcome), 1, 10);
}

/** What a completion earns, and its parts. */
async function paid(
  judge: Judge,
  text: string,
  { reward = null as string | null, outcome = "number", truncated = false, step = 1 } = {},
) {
  const [one] = await judge.judge([{ text, truncated, tokens: 3 }], { row, gold: "5", step });
  const { terms } = parseReward(reward, outcome);
  const rules = rewardRules(terms, "any", { maxCompletionLength: 9, overlongCache: 3 });
  return { ...one, ...earned({ ...one, tokens: { length: 3 } }, rules) };
}

describe("--outcome", () => {
  test("is called for what was cut off too, and told so", async () => {
    const outcome = files.write(
      `export default (text, row, { truncated }) =>
         ({ outcome: text, reward: truncated ? -1 : 1, correct: row.level === "hard" });`,
    );
    const judge = await opened(outcome);
    expect(await paid(judge, "5", { outcome })).toMatchObject({ reward: 1, outcome: "5" });
    const cut = await paid(judge, "5", { outcome, truncated: true });
    expect(cut).toMatchObject({ reward: -1, correct: true });
  });

  test("that ends the program fails like one that throws, and Python is refused by name", async () => {
    const said = spyOn(console, "error").mockImplementation(() => {});
    try {
      const outcome = files.write("export default () => { process.exit(0); };");
      expect(await paid(await opened(outcome), "5", { outcome })).toMatchObject({ outcome: null });
      expect(String(said.mock.calls)).toMatch(/failed on row 7: .*it calls process\.exit/);
    } finally {
      said.mockRestore();
    }
    const python = files.write("def reward(): return 1", "reward.py");
    expect(opened(python)).rejects.toThrow("own code is TypeScript or JavaScript, not Python");
  });

  test("pays several parts, weighed one by one", async () => {
    const outcome = files.write(
      `export default () => ({ outcome: "5", correct: true, reward: { accuracy: 1, brevity: 0.5, style: null } });`,
    );
    const parts = { accuracy: 1, brevity: 0.5, style: null };
    expect(await paid(await opened(outcome), "5", { outcome })).toMatchObject({
      reward: 1.5,
      parts,
    });
    const reward = "accuracy=2,user=0.1,length=-1";
    expect(await paid(await opened(outcome, reward), "5", { outcome, reward })).toMatchObject({
      reward: expect.closeTo(2 + 0.05 - 3, 12),
      parts: { ...parts, length: 3 },
    });
  });

  test("a part without a weight is said, once, and kept", async () => {
    const outcome = files.write(`export default () => ({ outcome: "5", reward: 4 });`);
    const told = spyOn(console, "error").mockImplementation(() => {});
    const judge = await opened(outcome, "correct=1");
    const earnings = [await paid(judge, "5"), await paid(judge, "5")];
    expect(told.mock.calls).toEqual([
      [
        "rlexplore: --reward gives the part user of --outcome no weight: it is kept, and not paid (user=1 would)",
      ],
    ]);
    told.mockRestore();
    expect(earnings[1].parts).toEqual({ correct: 0, user: 4 });
  });

  test("null leaves the completion out, and so does a reward of null; the outcome counts", async () => {
    for (const [given, outcome] of [
      ["null", null],
      ['{ outcome: "6", reward: null }', "6"],
      ['{ outcome: "6", correct: true, reward: { a: null, b: null } }', "6"],
    ] as const) {
      const file = files.write(`export default () => (${given});`);
      const left = await paid(await opened(file), "6", { outcome: file });
      expect({ reward: left.reward, outcome: left.outcome }).toEqual({ reward: null, outcome });
    }
  });

  test('import { math } from "rlexplore", in a folder that has nothing', async () => {
    const outcome = files.write(
      `import { format, math, overlong } from "rlexplore";
       export default async (text: string, row, about) => {
         const judged = await math(text, row, about);
         const reward = { accuracy: judged.reward, form: format(judged, "boxed"), slow: overlong(about.tokens, 3, 2) };
         return { ...judged, reward };
       };`,
    );
    const judge = await opened(outcome);
    const said = (text: string, truncated = false) => paid(judge, text, { outcome, truncated });
    expect(await said("\\boxed{10/4}")).toMatchObject({
      outcome: "5/2",
      correct: false,
      parts: { accuracy: 0, form: 1, slow: -1 },
    });
    expect(await said("\\boxed{\\frac{15}{3}}")).toMatchObject({ outcome: "5", correct: true });
    expect(await said("\\boxed{5}", true)).toMatchObject({ outcome: null, correct: false });
  });
});

describe("--reward", () => {
  test("each function is a part: by its name, or by that of its file", async () => {
    const reward = files.write(
      `export default (text: string) => text.length;
       export const level = (text: string, row) => (row.level === "hard" ? 0.5 : null);
       export const late = async (text, row, { step, maxSteps, share, outcome, correct }) =>
         step + maxSteps + share + (correct && outcome === "5" ? 1000 : 0);
       export const LIMIT = 7;`,
      "brevity.ts",
    );
    const judge = await opened("number", `correct=1,${reward}=2,level=10`);
    const { reward: earnings, parts } = await paid(judge, "#5", { reward: "correct=1", step: 6 });
    expect(parts).toEqual({ correct: 1, brevity: 2, level: 0.5, late: 6 + 10 + 0.5 + 1000 });
    expect(earnings).toBe(1 + 2 * 2 + 10 * 0.5 + 2 * 1016.5);
  });

  test("all null leaves the completion out, whatever else it earns", async () => {
    const reward = files.write(
      "export const a = (text: string) => (text === '#5' ? null : 1); export const b = () => null;",
    );
    const judge = await opened("number", `correct=1,${reward}`);
    const given = { reward: "correct=1" };
    expect(await paid(judge, "#5", given)).toMatchObject({ reward: null, correct: true });
    expect(await paid(judge, "#6", given)).toMatchObject({ reward: 1, parts: { a: 1, b: null } });
  });

  test("what fails is said with its place and row, and left out", async () => {
    const reward = files.write(
      `const words = (text: string) => {
         return text.missing.length;
       };
       export const one = (text: string) => words(text);
       export const two = () => 1;`,
    );
    const told = spyOn(console, "error").mockImplementation(() => {});
    const { reward: earnings } = await paid(await opened("number", reward), "#5", { reward });
    const [[message]] = told.mock.calls;
    told.mockRestore();
    expect(earnings).toBeNull();
    expect(message).toContain(`${reward} failed on row 7: `);
    expect(message).toMatch(
      /own\d+\.ts:2:\d+: undefined is not an object .*; nothing is learned from/,
    );
  });

  test.each([
    ["({ accuracy: Number.NaN })", "a reward must be a finite number or null, not NaN"],
    ["1e7", "its rewards must be within 1000000, not 10000000"],
    ["[1, 2]", "its reward must be a number, null, or an object of them, not [1,2]"],
    ["({})", "its reward must be a number, null, or an object of them, not {}"],
    ['"much"', 'a reward must be a finite number or null, not "much"'],
    ["undefined", "a reward must be a finite number or null, not undefined"],
    ["({ correct: 1 })", 'is called "correct", which is the name of a built-in part'],
    ['({ "a=b": 1 })', 'is called "a=b", which is no name'],
    ["new Promise(() => {})", "no result within 1 s (--outcome-timeout)"],
  ])("%s is no reward", async (given, message) => {
    const reward = files.write(`export default () => ${given};`);
    const told = spyOn(console, "error").mockImplementation(() => {});
    const { reward: earnings } = await paid(await opened("number", reward), "#5", { reward });
    const [[line]] = told.mock.calls;
    told.mockRestore();
    expect(earnings).toBeNull();
    expect(line).toContain(message);
  });

  test("functions that would pay one part, or a built-in one, are refused before anything is made", async () => {
    const a = files.write("export const style = () => 1;");
    const b = files.write("export const style = () => 2;");
    const c = files.write("export const correct = () => 2;");
    await expect(opened("number", `${a},${b}`)).rejects.toThrow(
      `--reward ${b} has a function for the part style, and so has ${a}: call it otherwise`,
    );
    await expect(opened("number", `correct=1,${c}`)).rejects.toThrow(
      `--reward ${c} has a function for the part correct, and a built-in part is called so`,
    );
  });

  test("a name that nobody pays, and one that two pay, end the run", async () => {
    const a = files.write("export const style = () => 1;");
    const b = files.write("export default () => ({ style: 2 });");
    const ends = async (reward: string) => {
      const judge = await opened("number", reward);
      return paid(judge, "#5", { reward }).catch((error) => {
        expect(error).toBeInstanceOf(OwnCodeError);
        return (error as Error).message;
      });
    };
    expect(await ends(`${a},stile=2`)).toBe(
      "--reward weighs stile, which is not among what own code pays (style); let it be null where it does not apply",
    );
    expect(await ends(`${a},${b}`)).toBe(
      "two parts of the reward are called style: name one of them otherwise",
    );
  });
});

describe("a file that cannot be used", () => {
  const loading = (code: string, flag: "--outcome" | "--reward") => {
    const path = files.write(code);
    return (flag === "--outcome" ? opened(path) : opened("number", path)).then(
      () => "loaded",
      (error) => error.message.replaceAll(files.folder, "."),
    );
  };

  test.each([
    [
      "const a = 1;\nexport default (c) => { retrun { outcome: c } };",
      /^--outcome \.\/own\d+\.ts cannot be loaded: .*own\d+\.ts:2:32: Expected ";" but found "\{" in export default/,
    ],
    ["export default 5;", /must export a function: export default \(completion, row\) => \.\.\.$/],
    ["export const a = () => 1;", /functions that only pay are for --reward \.\/own\d+\.ts$/],
    ["throw new Error('at once');", /cannot be loaded: .*own\d+\.ts:1:\d+: at once$/],
    ["import { x } from './no.ts';\nexport default () => x;", /cannot be loaded: .*no\.ts/],
    [
      'import { maths } from "rlexplore";\nexport default () => maths;',
      /cannot be loaded: Export named 'maths' not found in module 'rlexplore'/,
    ],
  ])("%p", async (code, message) => {
    expect(await loading(code, "--outcome")).toMatch(message);
  });

  test("rewards without a function, and a file that is not there", async () => {
    expect(await loading("export const a = 1;", "--reward")).toMatch(/must export a function, or/);
    await expect(opened("number", "./nowhere.ts")).rejects.toThrow(
      "--reward ./nowhere.ts: no such file",
    );
    await expect(opened(files.folder)).rejects.toThrow("is no file");
  });
});
