import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openJudge } from "../../beyond/answers/outcome.ts";
import { PackedRows } from "../../beyond/datasets/packed.ts";
import { openData, outcomeOf, TrainingQuestions } from "../../beyond/opening/questions.ts";
import type { TrainSettings } from "../../beyond/settings/training.ts";
import { UserError } from "../../lib/errors.ts";
import { drawQuestions } from "../../lib/random.ts";

const outcome = await openJudge("number");
const prompter = { encodePrompt: ({ question }: { question: string }) => [question.length] };

function poolOf(count: number, given: Partial<TrainSettings>, training: Uint32Array | null = null) {
  const rows = new PackedRows();
  for (let i = 0; i < count; i++) rows.push({ question: `q${i}`, answer: `${i}`, line: i + 1 });
  const settings = { data: "d", seed: 1, shuffleSeed: null, ...given } as TrainSettings;
  const data = { rows, outcome: "number", training, heldOut: { name: "", rows: [] } };
  return new TrainingQuestions(data, prompter, outcome, settings);
}

test("without --outcome the data decides: countdown, choice, else math", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rlexplore-outcome-"));
  const plain = { question: "1+1", answer: "2" };
  const asked = async (outcome: string, ...rows: object[]) => {
    const file = join(folder, "data.jsonl");
    writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const notes: string[] = [];
    const source = await openData(file, { split: null, subset: null });
    const found = await outcomeOf({ outcome }, source, (note) => notes.push(note));
    expect(notes.length).toBe(found === "math" || rows.includes(plain) ? 0 : 1);
    return found;
  };
  const choices = { ...plain, answer: "B", choices: ["1", "2"] };
  expect(await asked("auto", { nums: [1, 2, 3], target: 6 })).toBe("countdown");
  expect(await asked("auto", choices, choices)).toBe("choice");
  expect(await asked("auto", { ...plain, options: { label: ["A", "B"], text: ["x", "y"] } })).toBe(
    "choice",
  );
  expect(await asked("auto", choices, plain)).toBe("math");
  expect(await asked("auto", plain)).toBe("math");
  // what the rows are not made for is said
  expect(await asked("number", choices)).toBe("number");
  expect(await asked("number", plain)).toBe("number");
  rmSync(folder, { recursive: true });
});

test("of many questions those are ready that the run draws, and no others", () => {
  const pool = poolOf(5000, { maxSteps: 10, promptsPerStep: 4, shuffleSeed: 3 });
  expect(pool.count).toBe(5000);
  const draws = drawQuestions(3, 0, 40, 5000);
  for (const place of draws) expect(pool.at(place)).toMatchObject({ text: `q${place}` });
  expect(pool.drawn.map(({ text }) => text).sort()).toEqual(draws.map((p) => `q${p}`).sort());
  const other = Array.from({ length: 5000 }, (_, i) => i).find((i) => !draws.includes(i)) ?? 0;
  expect(() => pool.at(other)).toThrow("was not expected");
});

test("steps that are filled up draw more; a few questions are all ready; places are those trained on", () => {
  const filled = { maxSteps: 10, promptsPerStep: 4, filterZeroVariance: true };
  // the most that ten steps of dynamic sampling draw
  const pool = poolOf(5000, filled);
  for (const place of drawQuestions(1, 0, 430, 5000)) expect(pool.at(place).text).toBe(`q${place}`);
  expect(poolOf(40, filled).drawn).toHaveLength(40);
  const some = poolOf(10, { maxSteps: 1, promptsPerStep: 8 }, new Uint32Array([2, 7, 9]));
  expect(some.count).toBe(3);
  expect(some.different).toBe(3);
  expect([0, 1, 2].map((place) => some.at(place).text)).toEqual(["q2", "q7", "q9"]);
});

test("a question that comes again is one question, visited more often", () => {
  const rows = new PackedRows();
  for (let i = 0; i < 12; i++) rows.push({ question: `q${i % 4}`, answer: "1", line: i + 1 });
  const settings = { data: "d", seed: 1, shuffleSeed: null, maxSteps: 1, promptsPerStep: 1 };
  const data = { rows, outcome: "math", training: null, heldOut: { name: "", rows: [] } };
  const pool = new TrainingQuestions(data, prompter, outcome, settings as TrainSettings);
  expect([pool.count, pool.different]).toEqual([12, 4]);
});

test("a name is a file unless it can only be one of the hub", async () => {
  const none = { split: null, subset: null };
  expect(await openData("a/b.jsonl", none)).toEqual({ name: "a/b.jsonl", files: ["a/b.jsonl"] });
  expect(await openData("-", none)).toEqual({ name: "-", files: ["-"] });
  const split = openData("a/b.jsonl", { split: "test", subset: null });
  await expect(split).rejects.toThrow(UserError);
  await expect(split).rejects.toThrow(
    "are for data sets of the hub, and a/b.jsonl is none: leave them out",
  );
});
