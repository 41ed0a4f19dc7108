import { describe, expect, test } from "bun:test";
import { openJudge } from "../../beyond/answers/outcome.ts";
import { COUNTDOWN, countdownQuestion } from "../../beyond/tasks/countdown.ts";
import {
  makeRows,
  type TaskRow,
  type TaskSettings,
  toJsonLines,
} from "../../beyond/tasks/tasks.ts";
import { UserError } from "../../lib/errors.ts";
import { rowsOf } from "../datasets/files.ts";

const settings = (given: Partial<TaskSettings>): TaskSettings => ({
  ...COUNTDOWN,
  n: 500,
  seed: 1,
  skip: 0,
  ...given,
});
const keyOf = ({ nums, target }: TaskRow) => `${(nums as number[]).toSorted()}:${target}`;

describe("countdown", () => {
  const sizes = [
    settings({}),
    settings({ numbers: [2], n: 100 }),
    settings({ numbers: [5, 6], maxNumber: 20, minTarget: 100, maxTarget: 120, n: 200 }),
  ];

  test.each(sizes)("every row is within its ranges and can be solved: %o", async (given) => {
    const rows = makeRows("countdown", given);
    expect(rows).toHaveLength(given.n);
    expect(new Set(rows.map(keyOf)).size).toBe(given.n);
    const outcome = await openJudge("countdown");
    // as the file is read, and judged as a completion that states the known solution
    const read = await rowsOf(toJsonLines(rows));
    for (const [i, { nums, target, answer, question }] of rows.entries()) {
      const numbers = nums as number[];
      expect(given.numbers).toContain(numbers.length);
      for (const n of numbers) expect(n).toBeWithin(given.minNumber, given.maxNumber + 1);
      expect(target).toBeWithin(given.minTarget, given.maxTarget + 1);
      expect(question).toBe(countdownQuestion(numbers, target));
      // an independent look: the digits used are the numbers, and JavaScript agrees about the value
      expect(answer.match(/\d+/g)?.map(Number).sort()).toEqual(numbers.toSorted());
      expect(new Function(`return ${answer}`)()).toBe(target);
      const completion = { text: `<answer> ${answer} </answer>`, truncated: false };
      const asked = { row: read[i], gold: outcome.gold(read[i]) ?? "" };
      const [{ correct }] = await outcome.judge([completion], asked);
      expect(correct).toBe(true);
      // and one that leaves out a number is not
      const [wrong] = await outcome.judge(
        [{ ...completion, text: `<answer>${target}</answer>` }],
        asked,
      );
      expect(wrong.correct).toBe(false);
    }
  });

  test("uses all four operations, and each number of numbers as often", () => {
    const rows = makeRows("countdown", settings({}));
    for (const op of "+-*/") {
      expect(rows.filter(({ answer }) => answer.includes(op)).length).toBeGreaterThan(30);
    }
    const three = rows.filter(({ nums }) => (nums as number[]).length === 3).length;
    expect(three).toBeWithin(190, 310);
  });

  test("too few different tasks, or none, is an error in one line", () => {
    const few = { numbers: [2], maxNumber: 3, n: 100 };
    expect(() => makeRows("countdown", settings(few))).toThrow(UserError);
    expect(() => makeRows("countdown", settings(few))).toThrow(
      /hardly more than \d+ different rows/,
    );
    const none = settings({ numbers: [2], maxNumber: 3, minTarget: 50 });
    expect(() => makeRows("countdown", none)).toThrow(/hardly any 2 numbers from 1 to 3 reach/);
  });
});

describe("both tasks", () => {
  test.each(["arithmetic", "countdown"] as const)("%s: seed, n and skip name the rows", (task) => {
    const all = makeRows(task, settings({ n: 60 }));
    expect(makeRows(task, settings({ n: 60 }))).toEqual(all);
    expect(makeRows(task, settings({ n: 20 }))).toEqual(all.slice(0, 20));
    // a disjoint test set: what comes after
    expect(makeRows(task, settings({ n: 20, skip: 40 }))).toEqual(all.slice(40));
    expect(makeRows(task, settings({ n: 60, seed: 2 }))).not.toEqual(all);
  });

  test("the rows are these on every machine", () => {
    const [sum] = makeRows("arithmetic", settings({ n: 1 }));
    expect(toJsonLines([sum])).toBe('{"question": "16+4+2-7=", "answer": "15"}\n');
    const [{ nums, target, answer }] = makeRows("countdown", settings({ n: 1, skip: 5 }));
    expect({ nums, target, answer }).toEqual({
      nums: [4, 42, 88, 44],
      target: 31,
      answer: "42 - (88 - 44) / 4",
    });
  });
});
