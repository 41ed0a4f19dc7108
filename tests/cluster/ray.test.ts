/** A real Ray cluster of two nodes on this machine; skipped where no Python has Ray. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { noRay, PYTHON, RayCluster } from "../faults/ray-cluster.ts";

const missing = noRay();
const why = missing ? ` (skipped: ${missing})` : "";
const folder = mkdtempSync(join(tmpdir(), "rlexplore-ray-test-"));
const main = resolve(import.meta.dir, "../../main.ts");
const data = resolve(import.meta.dir, "../../examples/arithmetic.jsonl");
const flags = "--max-steps 4 --prompts-per-step 4 --gradient-shards 3".split(" ");
const MINUTES = 5 * 60_000;

let cluster: RayCluster;
beforeAll(async () => {
  if (!missing) cluster = await RayCluster.start();
}, MINUTES);
afterAll(async () => {
  rmSync(folder, { recursive: true });
  if (!missing) await cluster.stop();
}, MINUTES);

/** What runs, and what it leaves; `meanwhile` sees what it says. */
async function train(name: string, more: string[], meanwhile: (said: string) => void = () => {}) {
  const path = join(folder, name);
  const args = [main, "train", data, ...flags, "--output-dir", path, ...more];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, RLEXPLORE_PYTHON: PYTHON },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text) => {
      said += text;
      meanwhile(said);
    });
  }
  const code = await new Promise((done) => child.on("exit", done));
  expect({ code, said }).toMatchObject({ code: 0 });
  const read = (file: string) => readFileSync(join(path, "checkpoint-4", file)).toString("base64");
  return { weights: read("model.safetensors"), moments: read("trainer/optimizer.safetensors") };
}

test.skipIf(missing !== null)(
  `workers on two nodes give the bits of one GPU, whoever is killed${why}`,
  async () => {
    const alone = await train("alone", []);
    expect(await train("shared", ["--ray", cluster.address])).toEqual(alone);
    let killed = false;
    const kill = (said: string) => {
      if (killed || !/2 workers on Ray/.test(said)) return;
      killed = true;
      const [worker] = cluster.workers();
      process.kill(worker, "SIGKILL");
    };
    expect(await train("killed", ["--ray", cluster.address], kill)).toEqual(alone);
    expect(killed).toBe(true);
  },
  MINUTES,
);
