import { expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whyUnearnable } from "../../beyond/answers/earnable.ts";
import { outcomeFor } from "../../beyond/answers/outcome.ts";
import { earnableRows, requireEarnable } from "../../beyond/opening/earnable.ts";
import { outcomeOf } from "../../beyond/opening/questions.ts";
import { rowsOf } from "../datasets/files.ts";

const row = (answer: string, fields?: Record<string, unknown>) => ({
  question: "How many?",
  answer,
  line: 3,
  fields,
});
const UNMARKED = "Tom has 3 apples and buys 15 more of them in the shop.\nSo he has them all.";
const ASKING = { outcome: "math", systemPrompt: null, promptTemplate: "{question}" };

test("what a completion can state is earnable, in whatever form is asked for", async () => {
  for (const answer of ["18", '["34"]', "9 (apples)", "\\frac12", "[1,2)", `${UNMARKED}\nA: 18`]) {
    for (const prompt of ["", "Put it in \\boxed{}", "in <answer> tags", "after ####"]) {
      expect([answer, await whyUnearnable("math", row(answer), prompt)]).toEqual([answer, null]);
    }
  }
  expect(await whyUnearnable("exact", row("1 2\n3 4"))).toBeNull();
  expect(await whyUnearnable("choice", row("3", { choices: ["a", "b", "c", "d"] }))).toBeNull();
  expect(await whyUnearnable("./mine.ts", row(UNMARKED))).toBeNull();
});

test("the rest is named with its remedy", async () => {
  expect(await whyUnearnable("math", row(UNMARKED))).toContain("end it in #### 72");
  expect(await whyUnearnable("math:last-number", row(UNMARKED))).toBeNull();
  expect(await whyUnearnable("math", row(" "))).toContain("is empty");
  expect(await whyUnearnable("math", row("9".repeat(2000)))).toContain("shorten it");
  expect(await whyUnearnable("math", row("1\n2"), "after ####")).toContain("bare answer");
  expect(await whyUnearnable("choice", row("maybe", { choices: ["a", "b"] }))).toContain(
    "none for",
  );
});

test("train stops at such a row, or leaves it out", async () => {
  await expect(requireEarnable([row("1"), row(UNMARKED)], ASKING, "f.jsonl")).rejects.toThrow(
    /^f\.jsonl:3: the answer "Tom has .*--skip-bad/,
  );
  const lines = ["1", UNMARKED, "2"].map((answer) => JSON.stringify({ question: "q", answer }));
  const { PackedRows } = await import("../../beyond/datasets/packed.ts");
  const packed = new PackedRows();
  for (const one of await rowsOf(lines.join("\n"))) packed.push(one);
  const notes: string[] = [];
  const kept = await earnableRows(packed, ASKING, "f.jsonl", (text) => notes.push(text));
  expect([...kept].map(({ answer }) => answer)).toEqual(["1", "2"]);
  expect(notes[0]).toStartWith("left out 1 row that cannot be earned; the first: f.jsonl:2:");
});

test("reasoning-gym's rows say how they are judged", () => {
  const of = (...tasks: string[]) =>
    outcomeFor(tasks.map((source_dataset) => row("1", { metadata: { source_dataset } })));
  expect(of("chain_sum", "gcd")).toBe("math");
  expect(of("caesar_cipher", "spell_backward")).toBe("exact");
  expect(of("caesar_cipher", "gcd")).toBe("math");
  expect(of("unheard_of")).toBe("math");
});

test("a task with many right answers is named, with the remedy", async () => {
  const said = async (task: string, outcome: string) => {
    const notes: string[] = [];
    const line = { question: "q", answer: "LRU", metadata: { source_dataset: task } };
    const file = `${mkdtempSync(join(tmpdir(), "tasks-"))}/rows.jsonl`;
    await Bun.write(file, JSON.stringify(line));
    const source = { name: file, files: [file] };
    await outcomeOf({ outcome }, source, (text) => notes.push(text));
    return notes.join("\n");
  };
  for (const task of ["sokoban", "n_queens", "tower_of_hanoi"]) {
    const warning = await said(task, "auto");
    expect(warning).toStartWith(`warning: reasoning-gym's ${task} has more right answers`);
    expect(warning).toEndWith("--outcome ./my-outcome.ts");
  }
  expect(await said("gcd", "auto")).toBe("rows of reasoning-gym's gcd: --outcome math");
  expect(await said("sokoban", "./my-outcome.ts")).toBe("");
});
