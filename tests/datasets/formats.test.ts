import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { PackedRows } from "../../beyond/datasets/packed.ts";
import { readRows } from "../../beyond/datasets/rows.ts";
import { UserError } from "../../lib/errors.ts";
import { fileOf, rowsOf } from "./files.ts";

const good = '{"question": "1+1=", "answer": "2"}';
const read = async (name: string, content: string | Uint8Array) =>
  (await rowsOf(content, {}, name)).map(({ line, question, answer }) => [line, question, answer]);

/** The one line that a file of this content is refused with. */
async function refused(name: string, content: string | Uint8Array): Promise<string> {
  const error = await rowsOf(content, {}, name).then(
    () => null,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  expect(error.message).not.toContain("\n");
  return error.message;
}

describe("formats", () => {
  test("JSON lines, gzipped in one or several members", async () => {
    expect(await read("a.jsonl.gz", Bun.gzipSync(good))).toEqual([[1, "1+1=", "2"]]);
    const members = Buffer.concat([Bun.gzipSync(`${good}\n`), Bun.gzipSync(good)]);
    expect(await read("b.gz", members)).toHaveLength(2);
    expect(await refused("c.gz", Bun.gzipSync(good.repeat(50)).slice(0, 30))).toMatch(/is cut off/);
  });

  test("a JSON array, whatever its white space, with brackets and quotes in texts", async () => {
    expect(await read("a.json", `[${good},\n ${good}]`)).toEqual([
      [1, "1+1=", "2"],
      [2, "1+1=", "2"],
    ]);
    const rows = [
      { question: 'a "]", {[\\', answer: "1", more: [{ x: "}" }] },
      { question: "b", answer: "2" },
    ];
    expect(await read("b.json", ` \n${JSON.stringify(rows, null, 2)}\n`)).toEqual([
      [1, 'a "]", {[\\', "1"],
      [2, "b", "2"],
    ]);
    expect(await refused("c.json", `[${good}, {"question": 1}]`)).toContain(
      'c.json:2: no "answer"',
    );
    expect(await refused("d.json", `[${good}, ${good}`)).toContain("has no end");
    expect(await refused("e.json", `[${good}] ${good}`)).toContain("something follows");
    expect(await refused("f.json", "[]")).toContain("the file is empty");
  });

  test("CSV with quotes and line breaks, told by its name or its first line", async () => {
    const csv = 'id,question,answer\r\n1,"What, ""now""?\nYes",2\r\n2,b,3\r\n\r\n3,"c" ,4';
    const rows = [
      [2, 'What, "now"?\nYes', "2"],
      [4, "b", "3"],
      [6, "c ", "4"],
    ];
    expect(await read("a.csv", csv)).toEqual(rows);
    expect(await read("a.csv.gz", Bun.gzipSync(csv))).toEqual(rows);
    expect(await read("a.txt", csv)).toEqual(rows);
    const semicolons = "question;answer\n1,5+1;2,5\n";
    expect(await read("semicolons.csv", semicolons)).toEqual([[2, "1,5+1", "2,5"]]);
    expect(await read("a.tsv", "question\tanswer\na, b\t3\n")).toEqual([[2, "a, b", "3"]]);
    expect(await refused("b.csv", "question,answer\na")).toContain(
      "b.csv:2: 1 columns instead of 2",
    );
    expect(await refused("c.csv", 'question,answer\na,b\n"c,d\n')).toContain(
      "c.csv:3: not UTF-8, or",
    );
    // JSON in a file with the wrong name is what it is
    expect(await read("d.csv", good)).toHaveLength(1);
  });

  test("a cell, an element and a character that lie across pieces", async () => {
    // pieces have 256 KiB; every offset of a three-byte character against their ends occurs
    const long = "€".repeat(300_001);
    expect(await read("a.jsonl", `{"question": "${long}", "answer": "1"}\n${good}`)).toEqual([
      [1, long, "1"],
      [2, "1+1=", "2"],
    ]);
    expect((await read("a.json", `[{"question": "${long}", "answer": 1}]`))[0][1]).toBe(long);
    const quoted = `q,${long}\n"${long}`;
    expect(await read("a.csv", `question,answer\n"${quoted.replaceAll('"', '""')}",1`)).toEqual([
      [2, quoted, "1"],
    ]);
  });

  test("a limit ends the reading", async () => {
    const path = fileOf("a.jsonl", `${good}\n${good}\nbroken`);
    expect((await readRows(path, { limit: 2 })).rows).toHaveLength(2);
  });

  test("several files are one, counted through", async () => {
    const files = [
      fileOf("1.jsonl", `${good}\n${good}\n`),
      fileOf("2.csv", "question,answer\na,b"),
    ];
    const { rows } = await readRows({ name: "set", files });
    expect([...rows].map(({ line, question }) => [line, question])).toEqual([
      [1, "1+1="],
      [2, "1+1="],
      [4, "a"],
    ]);
    const bad = { name: "set", files: [files[0], fileOf("3.jsonl", "x")] };
    await expect(readRows(bad)).rejects.toThrow("set:3: not JSON");
  });
});

describe("what is no data gets one line", () => {
  test.each<[string, string | Uint8Array, RegExp]>([
    [
      "utf16.jsonl",
      Buffer.from(`\uFEFF${good}`, "utf16le"),
      /is UTF-16 text, not data; save it as/,
    ],
    ["page.jsonl", "\n<!DOCTYPE html><html>", /is a web page, not data; download the data/],
    ["lfs.jsonl", "version https://git-lfs.github.com/spec/v1\noid", /is a Git LFS pointer/],
    ["book.xlsx", Buffer.from("PK\x03\x04...."), /is a zip archive or a spreadsheet/],
    ["a.zst", Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]), /is packed with Zstandard/],
    ["weights.bin", Buffer.from([1, 2, 0, 3]), /is a binary file/],
    [
      "latin1.jsonl",
      Buffer.from(`${good}\n{"question": "\xe9", "answer": 1}`, "latin1"),
      /:2: not UTF/,
    ],
    [
      "nan.jsonl",
      `${good}\n{"question": "NaN", "answer": NaN}`,
      /:2: not JSON: NaN is no JSON value/,
    ],
    ["python.jsonl", "{'question': 'a'}", /:1: not JSON: texts stand in double quotes/],
    ["cut.jsonl", `${good}\n{"question": "a", "ans`, /:2: not JSON: the line ends too early/],
    [
      "long.jsonl",
      `{"question": "${"x".repeat(1 << 26)}`,
      /:1: longer than 64 MiB; is this a file/,
    ],
    ["bad.parquet", Buffer.from(`PAR1${"x".repeat(20)}`), /cannot be read as Parquet/],
    ["csv.jsonl", "question,answer\na,b", /csv\.jsonl:1: not JSON; if this is CSV, name the/],
    ["pretty.json", '{\n"data": []\n}', /:1: not JSON: a row stands in one line, or the rows in a/],
  ])("%s", async (name, content, message) => {
    expect(await refused(name, content)).toMatch(message);
  });
});

test("packed rows come back as they were, in any order", () => {
  const rows = new PackedRows();
  const made = Array.from({ length: 3000 }, (_, i) => ({
    question: `${i} ü€😀 `.repeat(1 + (i % 97)),
    answer: i === 1500 ? "x".repeat(3_000_000) : `${i}`,
    line: i + 1,
    ...(i % 3 === 0 && { fields: { question: "", nums: [i, i], deep: { a: null } } }),
  }));
  for (const row of made) rows.push(row);
  expect(rows.length).toBe(3000);
  for (const i of [2999, 0, 1500, 1501, 1499, 1, 2000]) expect(rows.at(i)).toEqual(made[i]);
  expect([...rows]).toEqual(made);
  expect(() => rows.at(3000)).toThrow(RangeError);
});

describe("Parquet by pages", () => {
  test.each(["1.0-zstd", "2.0-brotli", "1.0-gzip", "2.0-none"])(
    "pages %s: lists of all lengths, missing values, two row groups",
    async (name) => {
      const path = `${import.meta.dir}/layouts/pages-${name}.parquet`;
      const { rows } = await readRows(path, { answerField: "target" });
      expect(rows.length).toBe(1000);
      for (const [i, { question, answer, fields }] of [...rows].entries()) {
        expect([question, answer]).toEqual([`question ${i} ${"x".repeat(i % 50)}`, `${i}`]);
        const prompt = Array.from({ length: i % 5 }, (_, k) => ({
          role: "user",
          content: `${i}.${k}`,
        }));
        expect(fields).toEqual({
          question,
          answer: i % 7 === 3 ? null : i,
          target: `${i}`,
          prompt: i % 5 === 4 ? null : prompt,
          extra: { list: Array.from({ length: i % 3 }, (_, k) => [k, null]), share: i / 4 },
        });
      }
    },
  );

  test("the columns that are not needed are not read", async () => {
    const path = `${import.meta.dir}/layouts/pages-1.0-zstd.parquet`;
    const { rows } = await readRows(path, { answerField: "target", wholeRows: false });
    expect(rows.at(999)).toEqual({
      question: `question 999 ${"x".repeat(49)}`,
      answer: "999",
      line: 1000,
    });
  });
});

test("a Parquet file with one changed byte, whose schema has -1 columns within, is refused at once", async () => {
  const path = join(import.meta.dir, "damaged.parquet");
  await expect(readRows(path)).rejects.toThrow(
    "damaged.parquet cannot be read as Parquet: its metadata are damaged",
  );
});
