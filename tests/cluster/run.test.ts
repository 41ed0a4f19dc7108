import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Frame, Header } from "../../beyond/cluster/frames.ts";
import { Worker } from "../../beyond/cluster/worker.ts";
import { evaluate } from "../../beyond/commands/evaluate.ts";
import { sampleBase } from "../../beyond/commands/sample-base.ts";
import { train } from "../../beyond/commands/train.ts";
import { RunFolder } from "../../beyond/runs/folder.ts";
import { Ledger } from "../../beyond/runs/ledger.ts";
import {
  evalSettings,
  sampleBaseSettings,
  trainSettings,
} from "../../beyond/settings/arguments.ts";
import type { TrainSettings } from "../../beyond/settings/training.ts";
import { Random } from "../../lib/random.ts";
import { shareGpu } from "../kernels.ts";
import { ClusterHere, type Fate, within } from "./here.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-cluster-test-"));
const data = join(folder, "questions.jsonl");
shareGpu();
beforeAll(() => {
  const rows = ["10+1-1+1=", "11+2+1+1=", "12-1-1-1=", "7+7+7-1="].map((question, i) => {
    return JSON.stringify({ question, answer: ["11", "15", "9", "20"][i] });
  });
  writeFileSync(data, rows.join("\n"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const readStored = (run: string) => RunFolder.open(run).readConfig<TrainSettings>().settings;
const STEPS = 3;
const usual =
  `--max-steps ${STEPS} --prompts-per-step 3 --num-generations 4 --quiet --learning-rate 1e-3 ` +
  "--max-completion-length 16 --sampling-batch-size 12 --micro-batch-tokens 64";

/** A run of its own in a folder of its own; on a cluster of so many workers, or without one. */
async function run(
  name: string,
  flags: string,
  workers = 0,
  fate?: (worker: number, op: string) => Fate,
  make?: (worker: number) => Worker,
) {
  const path = join(folder, name);
  const isResumed = flags.includes("--resume");
  const cluster = new ClusterHere(workers, fate, make);
  const ray = workers > 0 ? ["--ray", "local"] : isResumed ? ["--ray", "none"] : [];
  const place = isResumed ? ["--resume", path] : ["--output-dir", path];
  const args = flags.replace("--resume", "").split(" ").filter(Boolean);
  const shards = flags.includes("--gradient-shards") ? [] : ["--gradient-shards", "3"];
  const own = isResumed ? [] : [data, ...usual.split(" "), ...shards];
  const settings = trainSettings([...own, ...args, ...place, ...ray], readStored);
  await within(cluster, () => train(settings));
  return { ...resultsOf(path), cluster };
}

/** All that a run leaves that says what it learned: nothing of it depends on time. */
function resultsOf(path: string) {
  const at = join(path, `checkpoint-${STEPS}`);
  const weights = ["model.safetensors", "adapter_model.safetensors"].flatMap((file) => {
    try {
      return [readFileSync(join(at, file)).toString("base64")];
    } catch {
      return [];
    }
  });
  const metrics = readFileSync(join(path, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line, (key, value) => (/econd/.test(key) ? undefined : value)));
  const ledger = new Ledger(join(path, "ledger.sqlite"));
  const counts = [...ledger.counts()];
  ledger.close();
  const moments = readFileSync(join(at, "trainer/optimizer.safetensors")).toString("base64");
  const state = readFileSync(join(at, "trainer/trainer_state.json"), "utf8");
  return { weights, moments, state, metrics, counts };
}

describe.each([
  ["full", "--num-iterations 2 --beta 0.1 --explore ucb-con,batch"],
  ["lora", "--lora-rank 4 --optim adamw_8bit --filter-zero-variance --stop 1"],
])("a %s run", (name, flags) => {
  test("has the same weights, moments, counts and metrics on one GPU and on any number of workers", async () => {
    const { cluster: _, ...alone } = await run(`${name}-alone`, flags);
    for (const workers of [1, 3, 4]) {
      const { cluster, ...shared } = await run(`${name}-${workers}`, flags, workers);
      expect(shared).toEqual(alone);
      const used = new Set(
        cluster.asked.filter(({ op }) => op === "gradient").map((one) => one.worker),
      );
      // three shards keep three busy
      expect(used.size).toBe(Math.min(workers, 3));
      expect(cluster.closed).toBe(true);
    }
  });

  test("has them when workers die and hang at random, and others take their places", async () => {
    const alone = resultsOf(join(folder, `${name}-alone`));
    let deaths = 0;
    for (const seed of [1, 2]) {
      const random = new Random(seed);
      const fate = (worker: number, op: string): Fate => {
        // the first worker lives, so that there is always one to learn from
        if (worker === 0 || op === "open" || !random.chance(0.3)) return "well";
        deaths++;
        return random.pick(["dies before", "dies after"] as const);
      };
      const { cluster, ...shared } = await run(`${name}-faults-${seed}`, flags, 3, fate);
      expect(shared).toEqual(alone);
    }
    expect(deaths).toBeGreaterThan(2);
  });
});

test("a run goes on with the same bits from one GPU to a cluster, and back", async () => {
  const flags = "--explore batch";
  const { cluster: _, ...whole } = await run("whole", flags);
  for (const [first, second] of [
    [0, 2],
    [2, 0],
  ]) {
    const name = `moved-${first}-${second}`;
    const path = join(folder, name);
    await run(name, `${flags} --save-steps 1`, first);
    // as if it had been stopped after its second step
    rmSync(join(path, `checkpoint-${STEPS}`), { recursive: true });
    const { cluster, ...moved } = await run(name, "--resume", second);
    expect(moved).toEqual(whole);
  }
});

test("the number of shards decides on the bits, and cannot change when a run goes on", async () => {
  const { weights } = await run("other", "--explore batch --gradient-shards 2");
  expect(weights).not.toEqual(resultsOf(join(folder, "whole")).weights);
  expect(() =>
    trainSettings(["--resume", join(folder, "whole"), "--gradient-shards", "4"], readStored),
  ).toThrow("--gradient-shards cannot change when a run is continued (it was 3)");
});

/** A worker on an adapter that rounds otherwise. */
class Otherwise extends Worker {
  override async answer(frame: Frame) {
    const { op, learningRate } = frame.header;
    const header = { ...frame.header, learningRate: 1.001 * Number(learningRate) };
    const [reply, bytes] = await super.answer(op === "update" ? { ...frame, header } : frame);
    const adapter = { ...(reply.adapter as object), name: "another" };
    return [op === "open" ? { ...reply, adapter } : reply, bytes] as [Header, Uint8Array[]?];
  }
}

test("a worker whose updates round otherwise is kept equal to the others, and refuses what is not of its state", async () => {
  const workers = [new Worker(), new Otherwise()];
  const make = (worker: number) => workers[worker];
  const { cluster, ...mixed } = await run("mixed", "--explore batch", 2, undefined, make);
  expect(mixed).toEqual(resultsOf(join(folder, "whole")));
  const restored = cluster.asked.filter(({ op }) => op === "restore");
  expect(restored.map(({ worker }) => worker)).toEqual(Array(STEPS).fill(1));
  for (const worker of workers) {
    const late = { header: { op: "gradient", updates: STEPS - 1 }, bytes: new Uint8Array(0) };
    await expect(worker.answer(late)).rejects.toThrow("after 2 updates, which has had 3");
  }
});

/** Bytes of the workers' frames, by what was asked. */
function bytesByPart({ asked }: ClusterHere) {
  const parts: Record<string, { to: number; from: number }> = {};
  for (const { op, to, from } of asked) {
    parts[op] ??= { to: 0, from: 0 };
    parts[op].to += to;
    parts[op].from += from;
  }
  return parts;
}

/** Of the embedded model: 4 a parameter. */
const gradientBytes = 4 * 153_024;

test("learns with few bytes more than the tokens, a gradient a shard, and their sum for each worker", async () => {
  const { cluster, metrics } = await run("bytes", "--explore batch", 2);
  const tokens = metrics.reduce((sum, { completionLength }) => sum + 12 * completionLength, 0);
  const parts = bytesByPart(cluster);
  expect(parts.gradient.from).toBeLessThan(1.002 * STEPS * 3 * gradientBytes);
  expect(parts.update.to).toBeLessThan(1.002 * STEPS * 2 * gradientBytes);
  expect(parts.sample.from).toBeLessThan(12 * tokens + 2000);
});

test("gradients in f16 give other bits, and the same on one GPU and on several", async () => {
  const flags = "--explore batch --gradient-dtype f16";
  const { cluster: _, ...alone } = await run("halves-alone", flags);
  const { cluster, ...shared } = await run("halves-2", flags, 2);
  expect(shared).toEqual(alone);
  const { gradient, update } = bytesByPart(cluster);
  // half of those of `learns with few bytes more than ...`
  expect(gradient.from).toBeLessThan(0.51 * STEPS * 3 * gradientBytes);
  expect(update.to).toBeLessThan(0.51 * STEPS * 2 * gradientBytes);
  expect(alone.weights).not.toEqual(resultsOf(join(folder, "whole")).weights);
  expect(() =>
    trainSettings(["--resume", join(folder, "halves-2"), "--gradient-dtype", "f32"], readStored),
  ).toThrow("--gradient-dtype cannot change when a run is continued (it was f16)");
});

test("eval and sample-base count the same on one GPU and on several", async () => {
  const model = join(folder, "whole", `checkpoint-${STEPS}`);
  const path = (name: string) => join(folder, name);
  const measured = async (name: string, ray: string[]) => {
    const output = path(`${name}.json`);
    const flags = [data, "--model", model, "--num-samples", "6", "--k", "1,6", "--quiet"];
    await evaluate(evalSettings([...flags, "--output", output, ...ray]));
    const drawn = ["--max-steps", "2", "--prompts-per-step", "3", "--num-generations", "4"];
    const base = [data, ...drawn, "--quiet", "--output-dir", path(`base-${name}`), ...ray];
    await sampleBase(sampleBaseSettings(base, readStored));
    const ledger = new Ledger(join(path(`base-${name}`), "ledger.sqlite"));
    const counts = [...ledger.counts()];
    ledger.close();
    return { file: JSON.parse(readFileSync(output, "utf8")), counts };
  };
  const alone = await measured("asked-alone", []);
  const cluster = new ClusterHere(2);
  const shared = await within(cluster, () => measured("asked-2", ["--ray", "local"]));
  expect(shared).toEqual(alone);
  expect(new Set(cluster.asked.map(({ worker }) => worker)).size).toBeGreaterThan(1);
});
