import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { modelPath, RunFolder } from "../../beyond/runs/folder.ts";
import { UserError } from "../../lib/errors.ts";

const root = mkdtempSync(join(tmpdir(), "run-"));
const start = process.cwd();
beforeAll(() => process.chdir(root));
afterAll(() => {
  process.chdir(start);
  rmSync(root, { recursive: true });
});

describe("RunFolder.create", () => {
  test("without a name takes the first free one", () => {
    expect(RunFolder.create(null, "some/where/arithmetic.jsonl").path).toBe("runs/arithmetic-1");
    expect(RunFolder.create(null, "arithmetic.jsonl").path).toBe("runs/arithmetic-2");
  });

  test("never touches what exists, and names both ways on", () => {
    mkdirSync("mine");
    writeFileSync("mine/file", "kept");
    expect(() => RunFolder.create("mine", "d")).toThrow(UserError);
    expect(() => RunFolder.create("mine", "d")).toThrow(
      /mine already exists; choose another --output-dir, or delete it/,
    );
    expect(readFileSync("mine/file", "utf8")).toBe("kept");
  });

  test("a place where nothing can be made is one clear line", () => {
    writeFileSync("plain", "");
    expect(() => RunFolder.create("plain/run", "d")).toThrow(UserError);
    if (process.platform === "linux") {
      expect(() => RunFolder.create("/sys/run", "d")).toThrow(/^\/sys\/run: no permission/);
    }
  });
});

const ANY = { versions: {}, adapter: {}, tuning: {} };

describe("config.json", () => {
  const config = {
    settings: { seed: 1 },
    versions: { rlexplore: "0.1.0" },
    adapter: { name: "x" },
    tuning: {},
  };

  test("comes back as it was", () => {
    const run = RunFolder.create("config", "d");
    run.writeConfig(config);
    expect(RunFolder.open("config").readConfig()).toEqual(config);
  });

  test("missing or broken, it is one clear line", () => {
    expect(() => RunFolder.open("nowhere")).toThrow(/no such run; check --resume/);
    mkdirSync("empty");
    expect(() => RunFolder.open("empty")).toThrow(/is not a run/);
    mkdirSync("killed");
    writeFileSync("killed/ledger.sqlite.lock", "");
    expect(() => RunFolder.open("killed")).toThrow(/killed before its first step: start it again/);
    writeFileSync("plain", "");
    expect(() => RunFolder.requireFree("plain")).toThrow(
      "plain is a file, not a folder; choose another --output-dir",
    );
    expect(() => RunFolder.requireFree("killed")).toThrow(
      "killed already exists; choose another --output-dir, or delete it if a run that was killed at its beginning left it",
    );
    const run = RunFolder.create("broken", "d");
    for (const text of ['{"sett', "{}", "null", '{"settings":null}']) {
      writeFileSync("broken/config.json", text);
      expect(() => run.readConfig()).toThrow(/is not the config.json of a run/);
    }
  });
});

describe("metrics.jsonl", () => {
  test("loses the steps after a checkpoint, and a line cut short", () => {
    const run = RunFolder.create("metrics", "d");
    run.removeMetricsAfter(3);
    for (const step of [1, 2, 3]) run.appendMetrics({ step, reward: step / 10, kl: Number.NaN });
    appendFileSync("metrics/metrics.jsonl", '{"step":2,"rew');
    run.removeMetricsAfter(2);
    run.appendMetrics({ step: 3 });
    expect(readFileSync("metrics/metrics.jsonl", "utf8")).toBe(
      '{"step":1,"reward":0.1,"kl":null}\n{"step":2,"reward":0.2,"kl":null}\n{"step":3}\n',
    );
  });
});

test("the way on is that of the command that made the run", () => {
  const way = (name: string, settings: object) => {
    RunFolder.create(name, "d").writeConfig({ ...ANY, settings });
    try {
      RunFolder.requireFree(name);
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(way("of-train", { learningRate: 1 })).toEndWith("train --resume of-train");
  expect(way("of-base", { maxSteps: 1 })).toEndWith("sample-base --resume of-base");
  expect(way("of-sft", { learningRate: 1, rowsPerStep: 2 })).toEndWith("sft --resume of-sft");
});

test("an evaluation that is made again has one line", () => {
  const run = RunFolder.create("again", "d");
  run.appendEvaluation(0, { figures: { x: 1 } });
  run.appendMetrics({ step: 1 });
  run.appendEvaluation(0, { figures: { x: 2 } });
  run.appendEvaluation(1, { figures: { x: 3 } });
  expect(readFileSync("again/metrics.jsonl", "utf8")).toBe(
    '{"step":1}\n{"step":0,"evaluation":{"figures":{"x":2}}}\n{"step":1,"evaluation":{"figures":{"x":3}}}\n',
  );
});

test("a folder that is gone is noticed", () => {
  const run = RunFolder.create("gone", "d");
  run.writeConfig({ ...ANY, settings: {} });
  run.requireThere();
  rmSync("gone", { recursive: true });
  expect(() => run.requireThere()).toThrow("gone was deleted or moved while the run went on");
});

test("TensorBoard's files: a new one when a run goes on, which takes back the steps done again", async () => {
  mkdirSync("shown");
  writeFileSync("shown/config.json", "{}");
  const begin = (step: number) => {
    const folder = RunFolder.open("shown");
    folder.openEvents(step);
    folder.appendMetrics({ step: step + 1, reward: 0.5 });
  };
  begin(0);
  await Bun.sleep(2);
  begin(3);
  const files = readdirSync("shown").filter((name) => name.includes("tfevents"));
  const [first, second] = files.sort().map((name) => readFileSync(join("shown", name)));
  // Event.step = 4, Event.session_log.status = START
  const purge = Buffer.from([0x10, 4, 0x3a, 2, 8, 1]);
  expect([first.includes(purge), second.includes(purge)]).toEqual([false, true]);
  for (const file of [first, second]) expect(file.includes("train/reward")).toBe(true);
});

describe("modelPath", () => {
  test("a run stands for its newest checkpoint", () => {
    expect(modelPath("any/model")).toBe("any/model");
    const run = RunFolder.create("trained", "d");
    run.appendMetrics({ step: 1 });
    expect(() => modelPath("trained")).toThrow(/has saved no checkpoint yet/);
    for (const step of [8, 16]) {
      mkdirSync(`trained/checkpoint-${step}`);
    }
    expect(modelPath("trained")).toBe("trained/checkpoint-16");
  });

  test("a run that was stopped before its first step has no checkpoint either", () => {
    RunFolder.create("begun", "d");
    writeFileSync("begun/ledger.sqlite.lock", "");
    expect(() => modelPath("begun")).toThrow(/has saved no checkpoint yet/);
  });
});
