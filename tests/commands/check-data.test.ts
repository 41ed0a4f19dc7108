import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { histogram, summarise } from "../../beyond/terminal/histogram.ts";

const folder = mkdtempSync(join(tmpdir(), "check-data-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const write = (name: string, rows: (object | string)[]) =>
  writeFileSync(
    join(folder, name),
    rows.map((row) => `${typeof row === "string" ? row : JSON.stringify(row)}\n`).join(""),
  );

async function data(...args: string[]) {
  const running = Bun.spawn(
    [process.execPath, `${import.meta.dir}/../../main.ts`, "data", ...args],
    {
      cwd: folder,
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const [stdout, stderr] = await Promise.all([
    new Response(running.stdout).text(),
    new Response(running.stderr).text(),
  ]);
  return { code: await running.exited, stdout, stderr };
}

test("what is wrong with a file is counted, with lines, and what it shares with another", async () => {
  const sum = (i: number) => ({ question: `1${i % 10}+${(i % 7) + 1}=`, answer: `${i}/2` });
  write("train.jsonl", [
    ...[1, 2, 3].map(sum),
    '{"question": "x", "answer": NaN}',
    { question: "1+1=", answer: "2" },
    { question: "1+1= ", answer: "4/2" },
    { question: "1+1=", answer: "3" },
    { id: 7 },
    { question: "2*2=", answer: "4" },
    { question: `${"1+".repeat(30)}1=`, answer: "31" },
    ...Array.from({ length: 6 }, () => '{"question": "cut'),
  ]);
  write("test.jsonl", [
    sum(2),
    { question: " 1+1=", answer: "2" },
    { question: "9-3=", answer: "6" },
  ]);
  const { code, stdout } = await data("train.jsonl", "test.jsonl", "--model", "embedded");
  expect(code).toBe(0);
  expect(stdout.split("\n")).toEqual([
    "train.jsonl: 16 rows, 8 earnable, 6 different questions",
    "  8 bad rows, at which train stops unless --skip-bad leaves them out:",
    "    line 4: not JSON: NaN is no JSON value; write null",
    '    line 8: no "question" (the row has "id")',
    "    line 11: not JSON: the line ends too early",
    "    line 12: not JSON: the line ends too early",
    "    line 13: not JSON: the line ends too early",
    "    and 3 more",
    "  1 question comes again with another answer:",
    '    line 7 answers line 5 with "3"',
    "  1 question comes again with the same answer:",
    "    line 6 is line 5",
    "  prompts in tokens of embedded: median 5, 95% up to 62, longest 62 (line 10)",
    `             4  ${"█".repeat(33)}▍ 2`,
    `             5  ${"█".repeat(50)} 3`,
    `    6 and more  ${"█".repeat(16)}▋ 1`,
    "  1 prompt exceeds the 32 tokens that the context leaves with --max-completion-length 32:",
    "    line 10: 62 tokens",
    "  2 questions the model cannot read:",
    `    line 6: this model's tokenizer cannot spell " "; pass --model with a model that reads it`,
    `    line 9: this model's tokenizer cannot spell "*"; pass --model with a model that reads it`,
    "",
    "test.jsonl: 3 rows, 3 earnable, 3 different questions",
    "  every answer is one for --outcome number, and no question comes twice",
    "  prompts in tokens of embedded: median 5, 95% up to 5, longest 5 (line 1)",
    `    4  ${"█".repeat(50)} 1`,
    `    5  ${"█".repeat(50)} 1`,
    "  all fit: with --max-completion-length 32 the context leaves 32 tokens",
    "  1 question the model cannot read:",
    `    line 2: this model's tokenizer cannot spell " "; pass --model with a model that reads it`,
    "",
    "2 of test.jsonl's 3 questions (66.7%) are in train.jsonl too (the same but for upper and lower case and white space):",
    '    line 1 is line 2: "12+3="',
    '    line 2 is line 5: "1+1="',
    "",
  ]);
});

test("--json says the same; answers that cannot be read are told, and a file without a usable row is refused", async () => {
  write("odd.jsonl", [
    { question: "a", answer: "1" },
    { question: "b", answer: "2" },
  ]);
  const outcome = join(folder, "never.ts");
  writeFileSync(outcome, "export default () => ({ outcome: null, reward: 0 });");
  const { code, stdout } = await data("odd.jsonl", "--json", "--outcome", "number");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    type: "data",
    name: "odd.jsonl",
    rows: 2,
    usable: 2,
    different: 2,
    lengths: { unit: "characters", median: 1, longest: 1, measured: 2, room: null },
  });
  const limited = await data("train.jsonl", "--limit", "4");
  expect(limited.stdout).toStartWith("train.jsonl: 5 rows, 4 earnable, 4 different questions\n");
  const none = await data("odd.jsonl", "--outcome", "countdown");
  expect(none).toEqual({
    code: 2,
    stdout: "",
    stderr:
      'rlexplore: odd.jsonl: none of 2 rows can be used; line 1: the answer "1" is none that --outcome reads (--outcome countdown)\n',
  });
});

test("data make writes what it prints, and what it writes passes the check", async () => {
  const args = ["make", "countdown", "--n", "20", "--numbers", "3"];
  const printed = await data(...args);
  const written = await data(...args, "-o", "new/made.jsonl");
  expect([written.code, written.stdout]).toEqual([
    0,
    "20 rows of countdown are in new/made.jsonl\n",
  ]);
  expect(readFileSync(join(folder, "new/made.jsonl"), "utf8")).toBe(printed.stdout);
  const { stdout } = await data("new/made.jsonl", "--outcome", "countdown");
  expect(stdout).toStartWith(
    "new/made.jsonl: 20 rows, 20 earnable, 20 different questions\n  every answer is one for --outcome countdown, and no question comes twice\n",
  );
  expect(existsSync(join(folder, "new/made.jsonl"))).toBe(true);
});

test("histograms count everything, in few lines that fit", () => {
  const lengths = [...Array.from({ length: 1000 }, (_, i) => 100 + (i % 37)), 5000];
  const lines = histogram(lengths, 60);
  expect(lines.length).toBeLessThanOrEqual(12);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
  const counts = lines.map((line) => Number(line.split(" ").at(-1)?.replace(",", "")));
  expect(counts.reduce((a, b) => a + b)).toBe(1001);
  expect(lines.at(-1)).toMatch(/^ +140 and more +▎ 1$/);
  expect(histogram([9, 9], 80)).toEqual([`    9  ${"█".repeat(50)} 2`]);
  expect(summarise([3, 1, 2])).toEqual({ median: 2, most: 3, longest: 3 });
});
