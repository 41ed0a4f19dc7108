import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asyncBufferFromFile, parquetMetadata, parquetReadObjects } from "hyparquet";
import { exportRollouts } from "../../beyond/export/rollouts.ts";
import { Ledger, LedgerReader, type Rollout } from "../../beyond/runs/ledger.ts";
import { exportSettings } from "../../beyond/settings/arguments.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-rollouts-"));
afterAll(() => rmSync(folder, { recursive: true }));
const run = join(folder, "run");

/** More than are held in memory at once. */
const COUNT = 10_010;
const rollout = (i: number): Rollout => ({
  question: `What is ${i % 7}, "quoted",\nand µ 😀?`,
  slot: Math.floor(i / 8) % 4,
  sample: i % 8,
  completion: i % 5 === 0 ? "" : `so\t#${i}`,
  outcome: i % 3 === 0 ? null : String(i % 11),
  correct: i % 11 === 1,
  reward: i % 19 === 0 ? null : i / 3,
  exploration: (1 - i) / 7,
  advantage: 1e-300 * i,
  tokens: i % 100,
  truncated: i % 13 === 0,
  logprob: i % 17 === 0 ? Number.NaN : -i / 9,
  entropy: i / 11,
  parts: i % 4 === 0 ? { correct: 1, brevity: null } : { correct: 0, brevity: i / 3 },
  // what an older version sampled has neither
  tokenIds: i % 2 === 0 ? Array.from({ length: i % 5 }, (_, t) => 150_000 + i + t) : null,
  logprobs: i % 2 === 0 ? Array.from({ length: i % 5 }, (_, t) => -(i + t) / 64) : null,
});

/** As it comes back: SQLite keeps no NaN. */
const stored = (i: number) => {
  const { logprob, tokenIds, ...rest } = rollout(i);
  const kept = { logprob: Number.isNaN(logprob) ? null : logprob, token_ids: tokenIds };
  return { step: 1 + Math.floor(i / 32), ...rest, ...kept };
};
const expected = Array.from({ length: COUNT }, (_, i) => stored(i));

beforeAll(() => {
  mkdirSync(run);
  writeFileSync(join(run, "config.json"), "{}");
  const ledger = new Ledger(join(run, "ledger.sqlite"));
  const all = Array.from({ length: COUNT }, (_, i) => rollout(i));
  for (let i = 0; i < COUNT; i += 32) ledger.append(1 + i / 32, all.slice(i, i + 32));
  ledger.close();
});

test("as JSON lines: every rollout, in order, every field", async () => {
  const path = join(folder, "out.jsonl");
  await exportRollouts(run, path);
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual(expected);
});

test("as Parquet: the same, in row groups", async () => {
  const path = join(folder, "out.parquet");
  await exportRollouts(run, path);
  const bytes = readFileSync(path);
  const metadata = parquetMetadata(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
  );
  expect(metadata.row_groups.map((group) => Number(group.num_rows))).toEqual([10_000, 10]);
  const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path) });
  // its reader gives a list that is null as undefined
  const listed = rows.map((row) => ({
    ...row,
    token_ids: row.token_ids ?? null,
    logprobs: row.logprobs ?? null,
  }));
  expect(listed).toEqual(expected);
});

test("a ledger of version 0.1.0 had no column for what is right: a reward of 1 said so", () => {
  const path = join(folder, "old.sqlite");
  const ledger = new Ledger(path);
  ledger.append(1, [rollout(3), { ...rollout(1), reward: 0 }]);
  ledger.close();
  const database = new Database(path);
  for (const column of ["correct", "parts"]) {
    database.run(`ALTER TABLE rollouts DROP COLUMN ${column}`);
  }
  database.run("DROP TABLE tokens");
  database.close();
  const read = () => {
    const reader = new LedgerReader(path);
    const rows = [...reader.rollouts()];
    expect(reader.lastStep()).toBe(1);
    reader.close();
    return rows;
  };
  const before = read();
  expect(before.map(({ correct }) => correct)).toEqual([true, false]);
  expect(before.map(({ parts, tokenIds }) => [parts, tokenIds])).toEqual([
    [null, null],
    [null, null],
  ]);
  // a run that goes on gives it the columns, and loses nothing
  new Ledger(path).close();
  expect(read()).toEqual(before);
});

test("what is there is not written over; what is not there is said", async () => {
  const path = join(folder, "mine.jsonl");
  writeFileSync(path, "mine");
  await expect(exportRollouts(run, path)).rejects.toThrow("already exists");
  expect(readFileSync(path, "utf8")).toBe("mine");
  const nowhere = join(folder, "nowhere");
  await expect(exportRollouts(nowhere, join(folder, "x.jsonl"))).rejects.toThrow(
    `${nowhere}: no such run; check the path`,
  );
  const model = join(folder, "model");
  mkdirSync(model);
  writeFileSync(join(model, "config.json"), "{}");
  await expect(exportRollouts(model, join(folder, "x.jsonl"))).rejects.toThrow(
    `${model} has no rollouts (ledger.sqlite); give the folder of a run of train`,
  );
  expect(existsSync(join(folder, "x.jsonl"))).toBe(false);
});

test("arguments", () => {
  expect(exportSettings(["r", "--rollouts", "o.jsonl"]).rollouts).toBe("o.jsonl");
  for (const [args, message] of [
    [["r", "--rollouts", "o.csv"], "--rollouts writes .jsonl or .parquet, not o.csv"],
    [
      ["r", "--rollouts", "o.jsonl", "--gguf", "o.gguf"],
      "--gguf and --rollouts exclude each other",
    ],
    [["r", "--rollouts", "o.jsonl", "--type", "f16"], "--type is for --gguf"],
  ] as const) {
    expect(() => exportSettings([...args])).toThrow(message);
  }
});
