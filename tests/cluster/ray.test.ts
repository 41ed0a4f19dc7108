/** A real Ray cluster of two nodes on this machine; skipped where no Python has Ray. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
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

const cannotHide = missing ?? (process.getuid?.() === 0 ? null : "only root can hide a folder");
test.skipIf(missing !== null)(
  `an address where nothing is is refused at once${why}`,
  async () => {
    const trained = train("nowhere", ["--ray", "127.0.0.1:9"]);
    await expect(trained).rejects.toThrow(/nothing answers at 127\.0\.0\.1:9/);
  },
  MINUTES,
);

test.skipIf(cannotHide !== null)(
  `a node that lacks the model is sent it${cannotHide ? ` (skipped: ${cannotHide})` : ""}`,
  async () => {
    const hidden = join(folder, "hidden");
    const base = resolve(import.meta.dir, "../../models/base");
    cpSync(base, join(hidden, "model"), { recursive: true });
    const apart = await RayCluster.start({ hidden });
    try {
      const model = ["--model", join(hidden, "model")];
      const alone = await train("sent-alone", model);
      expect(await train("sent", [...model, "--ray", apart.address])).toEqual(alone);
    } finally {
      await apart.stop();
    }
    const sent = readdirSync(tmpdir()).filter((name) => /^rlexplore-[0-9a-f]{16}$/.test(name));
    const places = sent.map((name) => join(tmpdir(), name, "model"));
    const weights = (path: string) => Bun.hash(readFileSync(join(path, "model.safetensors")));
    const isSent = (path: string) => existsSync(path) && weights(path) === weights(base);
    const place = places.find(isSent);
    expect(place).toBeDefined();
    if (place) rmSync(dirname(place), { recursive: true });
  },
  MINUTES,
);
