/** A real Ray cluster of two nodes on this machine; skipped where no Python has Ray. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const python = process.env.RLEXPLORE_PYTHON ?? "python3";
const hasRay = spawnSync(python, ["-c", "import ray, numpy"]).status === 0;
const why = hasRay ? "" : ` (skipped: ${python} has no ray and numpy)`;
const folder = mkdtempSync(join(tmpdir(), "rlexplore-ray-test-"));
const main = resolve(import.meta.dir, "../../main.ts");
const data = resolve(import.meta.dir, "../../examples/arithmetic.jsonl");
const flags = "--max-steps 4 --prompts-per-step 4 --gradient-shards 3".split(" ");
const MINUTES = 5 * 60_000;

const TWO_NODES = `
import sys
from ray.cluster_utils import Cluster
options = {"object_store_memory": 200 << 20}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **options})
cluster.add_node(num_cpus=1, **options)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
`;

let cluster: ChildProcess;
let address: string;
beforeAll(async () => {
  if (!hasRay) return;
  cluster = spawn(python, ["-c", TWO_NODES], { stdio: ["pipe", "pipe", "ignore"] });
  address = await new Promise((found) =>
    cluster.stdout?.on("data", (text) => {
      const line = /^[\d.]+:\d+$/m.exec(String(text));
      if (line) found(line[0]);
    }),
  );
}, MINUTES);
afterAll(async () => {
  rmSync(folder, { recursive: true });
  if (!hasRay) return;
  const ended = new Promise((done) => cluster.on("exit", done));
  cluster.stdin?.end();
  await ended;
}, MINUTES);

/** What runs, and what it leaves; `meanwhile` sees what it says. */
async function train(name: string, more: string[], meanwhile: (said: string) => void = () => {}) {
  const path = join(folder, name);
  const args = [main, "train", data, ...flags, "--output-dir", path, ...more];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, RLEXPLORE_PYTHON: python },
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

test.skipIf(!hasRay)(
  `workers on two nodes give the bits of one GPU, whoever is killed${why}`,
  async () => {
    const alone = await train("alone", []);
    expect(await train("shared", ["--ray", address])).toEqual(alone);
    let killed = false;
    const kill = (said: string) => {
      if (killed || !/2 workers on Ray/.test(said)) return;
      killed = true;
      const [, worker] = spawnSync("pgrep", ["-f", `${main} worker`])
        .stdout.toString()
        .split("\n");
      process.kill(Number(worker), "SIGKILL");
    };
    expect(await train("killed", ["--ray", address], kill)).toEqual(alone);
    expect(killed).toBe(true);
  },
  MINUTES,
);
