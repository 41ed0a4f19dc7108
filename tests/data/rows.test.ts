import { describe, expect, test } from "bun:test";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
    expect(rows).toEqual([
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
