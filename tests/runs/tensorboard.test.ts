import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32c, EventFile, taggedNumbers } from "../../beyond/runs/tensorboard.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-tensorboard-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("CRC-32C of the usual check string, and of RFC 3720's zeros", () => {
  expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
});

test("the bytes that TensorBoard's own code writes for the same events", () => {
  const events = new EventFile(folder, 301, () => 1500);
  events.append(301, [
    ["train/reward", 0.25],
    ["eval/pass@8 µ", -1e-3],
  ]);
  events.append(302, []);
  events.append(2 ** 40, [[`train/${"x".repeat(200)}`, 0]]);
  const [name] = readdirSync(folder);
  expect(name).toBe("events.out.tfevents.1500.rlexplore");
  const golden = readFileSync(`${import.meta.dir}/../golden/events.tfevents`);
  expect(readFileSync(join(folder, name)).equals(golden)).toBe(true);
});

test("metrics by their tags", () => {
  const line = { step: 4, reward: 0.5, kl: null, rewardParts: { correct: 1, format: 0 } };
  expect(taggedNumbers(line)).toEqual([
    ["train/reward", 0.5],
    ["train/rewardParts/correct", 1],
    ["train/rewardParts/format", 0],
  ]);
  const figures = { "pass@1": 0.25, "entropy-correct": null };
  expect(taggedNumbers({ step: 4, evaluation: { questions: 3, samples: 8, figures } })).toEqual([
    ["eval/pass@1", 0.25],
  ]);
});
