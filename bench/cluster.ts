import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { descendants, noRay, PYTHON, RayCluster } from "../tests/faults/ray-cluster.ts";
import type { Part } from "./harness.ts";
import { median } from "./tables.ts";

const root = join(import.meta.dir, "..");
const STEPS = 10;
/** Kernels are compiled in these. */
const FIRST = 2;
const ROUNDS = 3;
/** Clock ticks of Linux a second. */
const TICKS = 100;

/** Whose time is whose: a worker's is the work, all other there is for the sake of sharing it. */
const ROLES = ["workers", "their actors", "bridge", "driver"] as const;
/** Ray's own processes take theirs by the clock, whatever is done meanwhile. */
const ASIDE = ["Ray itself", "clock"] as const;
type Seconds = Record<(typeof ROLES)[number] | (typeof ASIDE)[number], number>;

/**
 * What a step takes on a cluster of two nodes on this machine besides the work: processor time by process, since that is
 * much the same on a machine that does other things. One worker and two take turns; one is given the cores that two share.
 */
export const clusterPart: Part = {
  about:
    "processor time of a step on Ray, by process: one worker and two (needs a Python with ray; Linux)",
  run: async (bench) => {
    const missing = noRay();
    if (missing) return console.log(`not measured: ${missing}`);
    const rounds: Record<number, Seconds[]> = { 1: [], 2: [] };
    const cluster = await RayCluster.start();
    try {
      for (let round = 0; round < ROUNDS; round++) {
        for (const workers of [1, 2])
          rounds[workers].push(await step(cluster.address, workers, bench.request));
      }
    } finally {
      await cluster.stop();
    }
    const rows = [1, 2].flatMap((workers) => {
      const named = `${workers} worker${workers > 1 ? "s" : ""}`;
      const of = (part: keyof Seconds) => 1000 * median(rounds[workers].map((one) => one[part]));
      return [
        ...[...ROLES, ...ASIDE].map((part) => ({
          name: `${named}: ${part}`,
          value: of(part),
          unit: "ms",
        })),
        {
          name: `${named}: not the work's`,
          value: median(rounds[workers].map(besides)),
          unit: "%",
        },
        {
          name: `${named}: Ray itself, of a core`,
          value: median(rounds[workers].map((one) => (100 * one["Ray itself"]) / one.clock)),
          unit: "%",
        },
      ];
    });
    const paired = (of: (one: Seconds) => number) =>
      median(rounds[2].map((two, round) => of(two) / of(rounds[1][round])));
    bench.show({
      title: `A step of 128 completions on Ray, embedded model, 8 shards: processor time, median of ${ROUNDS} runs by turns`,
      rows: [
        ...rows,
        { name: "two workers, times one's: all", value: paired(total), unit: "" },
        {
          name: "two workers, times one's: the work",
          value: paired((one) => one.workers),
          unit: "",
        },
      ],
    });
  },
};

const total = (one: Seconds) => ROLES.reduce((sum, role) => sum + one[role], 0);
const besides = (one: Seconds) => 100 * (1 - one.workers / total(one));

/** Seconds of the processor that a step takes on so many workers. */
async function step(address: string, workers: number, gpu: string | undefined): Promise<Seconds> {
  const folder = await mkdtemp(join(tmpdir(), "rlexplore-bench-"));
  try {
    const flags = `--max-steps ${STEPS} --prompts-per-step 16 --num-generations 8 --gradient-shards 8 --json`;
    const where = [
      "--output-dir",
      join(folder, "run"),
      "--ray",
      address,
      "--workers",
      `${workers}`,
    ];
    const data = join(root, "examples/arithmetic.jsonl");
    const command = [process.execPath, join(root, "main.ts"), "train", data, ...flags.split(" ")];
    const driver = Bun.spawn([...command, ...where, ...(gpu ? ["--gpu", gpu] : [])], {
      stdout: "pipe",
      stderr: "inherit",
      env: { ...process.env, RLEXPLORE_PYTHON: PYTHON },
    });
    const seen: Seconds[] = [];
    for await (const line of createInterface(Readable.fromWeb(driver.stdout as never))) {
      if (/"type":"step"/.test(line)) seen.push(spent(driver.pid));
    }
    if ((await driver.exited) !== 0) throw new Error(`${command.join(" ")} failed`);
    const [from, to] = [seen[FIRST - 1], seen[STEPS - 1]];
    const parts = Object.keys(from) as (keyof Seconds)[];
    const each = parts.map((part) => [part, (to[part] - from[part]) / (STEPS - FIRST)]);
    return Object.fromEntries(each) as Seconds;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Seconds of the processor that a driver and the cluster have had so far, and the clock. */
function spent(driver: number): Seconds {
  const all = Object.fromEntries([...ROLES, ...ASIDE].map((role) => [role, 0])) as Seconds;
  const take = (role: keyof Seconds, id: number) => {
    const [, rest = ""] = /\) (.*)/.exec(readFileSync(`/proc/${id}/stat`, "utf8")) ?? [];
    const [user, system] = rest.split(" ").slice(11, 13).map(Number);
    all[role] += (user + system) / TICKS;
  };
  const roles = new Map<number, keyof Seconds>([[driver, "driver"]]);
  const isNamed = (role: keyof Seconds, is: (words: string[]) => boolean) => {
    for (const id of descendants(process.pid, is)) if (!roles.has(id)) roles.set(id, role);
  };
  isNamed("workers", (words) => words.at(-1) === "worker");
  isNamed("bridge", (words) => /bridge\.py$/.test(words.at(-1) ?? ""));
  isNamed("their actors", ([first = ""]) => first.startsWith("ray::Worker"));
  isNamed("Ray itself", () => true);
  for (const [id, role] of roles) take(role, id);
  return { ...all, clock: performance.now() / 1000 };
}
