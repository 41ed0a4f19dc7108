import { describe, expect, test } from "bun:test";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readRows, readSftRows } from "../../beyond/datasets/rows.ts";
import { UserError } from "../../lib/errors.ts";
import { fileOf, rowsOf } from "./files.ts";

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
  test("question and answer, with the line they came from", async () => {
    const text = `${good}\n\n{"question": "2+2=", "answer": 4}\n`;
    expect(await rowsOf(text, { wholeRows: false })).toEqual([
      { question: "1+1=", answer: "2", line: 1 },
      { question: "2+2=", answer: "4", line: 3 },
    ]);
    expect((await rowsOf(text))[1].fields).toEqual({ question: "2+2=", answer: 4 });
  });

  test("a byte-order mark, Windows line ends and a missing last newline are no matter", async () => {
    const rows = await rowsOf(`\uFEFF${good}\r\n${good}`);
    expect(rows.map((row) => row.line)).toEqual([1, 2]);
  });

  test("other names of the two fields", async () => {
    const rows = await rowsOf('{"problem": "p", "solution": "s"}\n{"prompt": "q", "target": 0}');
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
    ['{"question": "1+1=", "answer": null}', '"answer" is null'],
    ['{"question": " ", "answer": "2"}', '"question" is empty'],
    [
      '{"conversations": [{"from": "human", "value": "1+1="}]}',
      'no "question" (the row has "conversations"); turns are "messages", each of "role" and "content"',
    ],
    ['{"question": "1+1=", "answer": [{}]}', '"answer" is not text or a number'],
    [
      '{"question": "1+1=", "final_answer": 2}',
      'no "answer" (the row has "question", "final_answer"); if it is "final_answer", give --answer-field final_answer',
    ],
  ])("%s stops with its place and the fix", async (line, problem) => {
    const path = fileOf("data.jsonl", `${good}\n${line}\n${good}`);
    const message = await messageOf(() => readRows(path));
    expect(message).toStartWith(`${path}:2: ${problem}`);
    expect(message).toContain("--skip-bad");
    const twice = fileOf("data.jsonl", `${good}\n${line}\n${line}`);
    const { rows, skipped, firstProblem } = await readRows(twice, { skipBad: true });
    expect([rows.length, skipped]).toEqual([1, 2]);
    expect(firstProblem).toStartWith(`${path}:2: ${problem}`);
  });

  test("a file without a single usable line is an error even when skipping", async () => {
    expect(await messageOf(() => rowsOf("\n \n"))).toContain("empty");
    const message = await messageOf(() => rowsOf("x\ny", { skipBad: true }));
    expect(message).toContain("f.jsonl:1: not JSON");
  });

  test("files: missing, a folder, not UTF-8, good", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rows-"));
    const path = join(folder, "a.jsonl");
    expect(await messageOf(() => readRows(path))).toContain("no such file");
    expect(await messageOf(() => readRows(folder))).toContain("is a folder");
    await writeFile(path, new Uint8Array([0xff, 0xfe, 0x7b, 0x00]));
    expect(await messageOf(() => readRows(path))).toContain(
      "is UTF-16 text, not data; save it as UTF-8",
    );
    await writeFile(path, good);
    expect((await readRows(path)).rows).toHaveLength(1);
    await writeFile(path, '{"prompt": "a", "completion": "b"}');
    const lessons = [{ asked: { question: "a" }, said: "b" }];
    expect((await readSftRows(path)).rows).toEqual([{ lessons, line: 1 }]);
  });

  test("texts for supervised training need prompt and completion", async () => {
    const sft = (text: string) => messageOf(() => readSftRows(fileOf("sft.jsonl", text)));
    expect(await sft(good)).toContain(
      'sft.jsonl:1: no "prompt" (the row has "question", "answer")',
    );
    expect(await sft('{"prompt": "a"}')).toContain('no "completion"');
  });
});

test("numbers keep their digits", async () => {
  for (const number of [
    "12345678901234567890",
    "-9007199254740993",
    "0.1234567890123456789012",
    "3.14159265358979323846",
    "1e400",
    "1000000000000000000000",
    "0.0000001",
  ]) {
    const [row] = await rowsOf(`{"question": "q", "answer": ${number}, "n": [1, 2.50]}`);
    expect([row.answer, row.fields?.n]).toEqual([number, [1, 2.5]]);
  }
  const texts = await rowsOf(
    '{"question": "1234567890123456789.5, 12345678901234567890", "answer": 2}',
  );
  expect(texts[0].question).toBe("1234567890123456789.5, 12345678901234567890");
});

test("of a list of answers any is right, and it stays a list", async () => {
  const rows = await rowsOf(
    '{"question": "q", "answer": ["2"]}\n{"question": "q", "answer": ["1/3", 0.5]}',
  );
  expect(rows.map(({ answer }) => answer)).toEqual(["2", '["1/3","0.5"]']);
});

describe("fields", () => {
  test("by name, also within others", async () => {
    const line = JSON.stringify({ q: { text: "1+1" }, question: "no", a: 2 });
    const [row] = await rowsOf(line, { questionField: "q.text", answerField: "a" });
    expect([row.question, row.answer]).toEqual(["1+1", "2"]);
    await expect(rowsOf(line, { answerField: "b" })).rejects.toThrow(
      'f.jsonl:1: no "b" (the row has "q", "question", "a")',
    );
  });
});
