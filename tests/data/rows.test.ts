import { describe, expect, test } from "bun:test";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openOutcome } from "../../lib/data/outcome.ts";
import { parseRows, parseSftRows, readRows, readSftRows } from "../../lib/data/rows.ts";
import { UserError } from "../../lib/errors.ts";

const good = '{"question": "1+1=", "answer": "2"}';

/** The message of the UserError that `act` throws; anything else fails the test. */
async function messageOf(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).not.toContain("\n");
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
}

describe("rows", () => {
  test("question and answer, with the line they came from", () => {
    const { rows, skipped } = parseRows(`${good}\n\n{"question": "2+2=", "answer": 4}\n`, "f");
    expect(rows).toMatchObject([
      { question: "1+1=", answer: "2", line: 1 },
      { question: "2+2=", answer: "4", line: 3 },
    ]);
    expect(skipped).toBe(0);
  });

  test("a byte-order mark, Windows line ends and a missing last newline are no matter", () => {
    expect(parseRows(`\uFEFF${good}\r\n${good}`, "f").rows.map((row) => row.line)).toEqual([1, 2]);
  });

  test("other names of the two fields", () => {
    const { rows } = parseRows(
      '{"problem": "p", "solution": "s"}\n{"prompt": "q", "target": 0}',
      "f",
    );
    expect(rows.map((row) => [row.question, row.answer])).toEqual([
      ["p", "s"],
      ["q", "0"],
    ]);
  });

  test.each([
    ["{broken", "not JSON"],
    ["[1]", "not a JSON object"],
    ["3", "not a JSON object"],
    ['{"answer": "2"}', 'no "question"'],
    ['{"question": "1+1="}', 'no "answer"'],
    ['{"question": "1+1=", "answer": null}', 'no "answer"'],
    ['{"question": " ", "answer": "2"}', '"question" is empty'],
    ['{"question": "1+1=", "answer": ["2"]}', '"answer" is not text or a number'],
  ])("%s stops with its place and the fix", async (line, problem) => {
    const message = await messageOf(() => parseRows(`${good}\n${line}\n${good}`, "data.jsonl"));
    expect(message).toStartWith(`data.jsonl:2: ${problem}`);
    expect(message).toContain("--skip-bad");
    const { rows, skipped, firstProblem } = parseRows(`${good}\n${line}\n${line}`, "data.jsonl", {
      skipBad: true,
    });
    expect([rows.length, skipped]).toEqual([1, 2]);
    expect(firstProblem).toStartWith(`data.jsonl:2: ${problem}`);
  });

  test("a file without a single usable line is an error even when skipping", async () => {
    expect(await messageOf(() => parseRows("\n \n", "f"))).toContain("empty");
    expect(await messageOf(() => parseRows("x\ny", "f", { skipBad: true }))).toContain(
      "f:1: not JSON",
    );
  });

  test("files: missing, a folder, not UTF-8, good", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rows-"));
    const path = join(folder, "a.jsonl");
    expect(await messageOf(() => readRows(path))).toContain("no such file");
    expect(await messageOf(() => readRows(folder))).toContain("is a folder");
    await writeFile(path, new Uint8Array([0xff, 0xfe, 0x7b, 0x00]));
    expect(await messageOf(() => readRows(path))).toContain("not UTF-8");
    await writeFile(path, good);
    expect((await readRows(path)).rows).toHaveLength(1);
    await writeFile(path, '{"prompt": "a", "completion": "b"}');
    expect((await readSftRows(path)).rows).toEqual([{ prompt: "a", completion: "b", line: 1 }]);
  });

  test("texts for supervised training need prompt and completion", async () => {
    expect(await messageOf(() => parseSftRows(good, "f"))).toStartWith('f:1: no "prompt"');
    expect(await messageOf(() => parseSftRows('{"prompt": "a"}', "f"))).toContain(
      'no "completion"',
    );
  });
});

const question = "What is 9*8?";
const turns = [
  { role: "system", content: "Think." },
  { role: "user", content: question },
];
const layouts: [string, object, string][] = [
  ["GSM8K", { question, answer: "9*8=<<9*8=72>>72\n#### 72" }, "72"],
  ["MATH", { problem: question, level: "Level 1", solution: "It is $\\boxed{72}$." }, "72"],
  ["MATH-500", { problem: question, solution: "...", answer: "72", unique_id: "x" }, "72"],
  [
    "DAPO-Math-17k",
    {
      data_source: "math_dapo",
      prompt: [turns[1]],
      reward_model: { ground_truth: "72", style: "rule-lighteval/MATH_v2" },
      extra_info: { index: "1" },
    },
    "72",
  ],
  ["AIME 2024", { ID: "2024-I-1", Problem: question, Solution: "...", Answer: 72 }, "72"],
  ["AIME 2025", { problem: question, answer: "072" }, "72"],
  ["AMC23", { id: 0, question, answer: 72.0 }, "72"],
  ["TRL", { prompt: turns, solution: "72" }, "72"],
  ["reasoning-gym", { question, answer: "72", metadata: { difficulty: {} } }, "72"],
];

describe("published layouts", () => {
  test.each(layouts)("%s", async (_name, fields, gold) => {
    const [row] = parseRows(JSON.stringify(fields), "f").rows;
    expect(row.question).toBe(question);
    expect((await openOutcome("math")).gold(row)).toBe(gold);
    expect(row.fields).toEqual(fields as typeof row.fields);
  });

  test("fields by name, also within others", () => {
    const line = JSON.stringify({ q: { text: "1+1" }, question: "no", a: 2 });
    const [row] = parseRows(line, "f", { questionField: "q.text", answerField: "a" }).rows;
    expect([row.question, row.answer]).toEqual(["1+1", "2"]);
    expect(() => parseRows(line, "f", { answerField: "b" })).toThrow('f:1: no "b"');
  });
});

describe("formats", () => {
  test("a JSON array, gzip, CSV with quotes and line breaks, tab-separated values, a limit", async () => {
    const folder = await mkdtemp(join(tmpdir(), "formats-"));
    const read = async (name: string, content: string | Uint8Array) => {
      await writeFile(join(folder, name), content);
      const { rows } = await readRows(join(folder, name));
      return rows.map((row) => [row.line, row.question, row.answer]);
    };
    expect(await read("a.json", `[${good},\n ${good}]`)).toEqual([
      [1, "1+1=", "2"],
      [2, "1+1=", "2"],
    ]);
    expect(await read("a.jsonl.gz", Bun.gzipSync(good))).toEqual([[1, "1+1=", "2"]]);
    const csv = 'id,question,answer\r\n1,"What, ""now""?\nYes",2\r\n2,b,3';
    const rows = [
      [2, 'What, "now"?\nYes', "2"],
      [4, "b", "3"],
    ];
    expect(await read("a.csv", csv)).toEqual(rows);
    expect(await read("a.csv.gz", Bun.gzipSync(csv))).toEqual(rows);
    expect(await read("a.tsv", "question\tanswer\na, b\t3\n")).toEqual([[2, "a, b", "3"]]);
    expect(parseRows(`${good}\n${good}`, "f", { limit: 1 }).rows).toHaveLength(1);
    expect(await messageOf(() => read("b.csv", "question,answer\na"))).toContain(
      "b.csv:2: 1 columns instead of 2",
    );
  });

  test("Parquet", async () => {
    const path = new URL("../golden/dapo.parquet", import.meta.url).pathname;
    expect((await readRows(path)).rows.map((row) => [row.question, row.answer])).toEqual([
      ["What is 9 * 8?", "72"],
      ["What is 10 * 8?", "80"],
    ]);
  });
});
