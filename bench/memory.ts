import { join } from "node:path";
import { EMBEDDED } from "../beyond/settings/shared.ts";
import { hasHalves } from "../beyond/storage/precision.ts";
import { MEMORY_PARTS, type MemoryPart } from "../lib/gpu/memory.ts";
import type { Bench, Part } from "./harness.ts";
import { shortName } from "./models.ts";
import type { Row } from "./tables.ts";
import { stepArguments } from "./training.ts";

type Bytes = Partial<Record<MemoryPart, number>>;

/** Ways to train that differ in memory. */
const WAYS: [name: string, flags: string[]][] = [
  ["full", []],
  ["8-bit moments", ["--optim", "adamw_8bit"]],
  ["gradient checkpointing", ["--gradient-checkpointing"]],
  ["f16", ["--dtype", "f16"]],
  ["LoRA 16", ["--lora-rank", "16"]],
  ["LoRA 16, f16", ["--lora-rank", "16", "--dtype", "f16"]],
];

/** What `rlexplore plan` announces, what the device was asked for, and what the process took. */
export const memoryPart: Part = {
  about: "peak memory beside what rlexplore plan announces",
  async run(bench) {
    const halves = await bench.withGpu(async (gpu) => hasHalves(gpu));
    const rows: Row[] = [];
    for (const model of bench.models) {
      for (const [name, flags] of WAYS) {
        if (!halves && flags.includes("f16")) continue;
        rows.push(...(await compare(bench, model, `${shortName(model)}, ${name}`, flags)));
      }
    }
    bench.show({ title: "Memory in MiB: announced by rlexplore plan, and taken", rows });
  },
};

async function compare(bench: Bench, model: string, name: string, flags: string[]): Promise<Row[]> {
  const small = { prompts: 1, samples: 4, length: 16, steps: 3 };
  const defaults = { prompts: 16, samples: 8, length: 32, steps: 3 };
  const size = model === EMBEDDED ? defaults : small;
  const micro = model === EMBEDDED ? [] : ["--micro-batch-tokens", "512"];
  const args = [...stepArguments(bench, model, size), ...micro, ...flags];
  const main = join(import.meta.dir, "..", "main.ts");
  const planned = await output<{ host: number; ways: { name: string; bytes: Bytes }[] }>([
    main,
    "plan",
    ...args,
    "--json",
  ]);
  const way = planned.ways.find((one) => one.name.startsWith("LoRA") === name.includes("LoRA"));
  const used = bench.isSoftware ? null : watchGpu();
  const run = await output<{ allocated: Bytes; resident: number }>([
    join(import.meta.dir, "memory-run.ts"),
    ...args,
  ]);
  return [
    {
      name: `${name}: announced`,
      ...inMebibytes(way?.bytes ?? {}),
      // a software adapter computes in the memory of the process
      process: (planned.host + (bench.isSoftware ? total(way?.bytes ?? {}) : 0)) / 2 ** 20,
    },
    {
      name: `${name}: taken`,
      ...inMebibytes(run.allocated),
      process: run.resident / 2 ** 20,
      ...(used && { "nvidia-smi": await used() }),
    },
  ];
}

const total = (bytes: Bytes) => Object.values(bytes).reduce((a, b) => a + b, 0);

const inMebibytes = (bytes: Bytes) => ({
  ...Object.fromEntries(MEMORY_PARTS.map((part) => [part, (bytes[part] ?? 0) / 2 ** 20])),
  "on the device": total(bytes) / 2 ** 20,
});

/** What a script of ours prints as JSON. */
async function output<Answer>(command: string[]): Promise<Answer> {
  const child = Bun.spawn([process.execPath, ...command], { stdout: "pipe", stderr: "pipe" });
  const [text, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")} failed:\n${errors}`);
  return JSON.parse(text);
}

/** Looks at what an NVIDIA GPU has in use, in MiB, until it is called: then what came on top, null without one. */
function watchGpu(): () => Promise<number | null> {
  const look = (): number => {
    if (!Bun.which("nvidia-smi")) return Number.NaN;
    const query = ["--query-gpu=memory.used", "--format=csv,noheader,nounits"];
    return Number.parseFloat(Bun.spawnSync(["nvidia-smi", ...query]).stdout.toString());
  };
  const before = look();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, look());
  }, 300);
  return async () => {
    clearInterval(timer);
    return Number.isNaN(most) ? null : most - before;
  };
}
