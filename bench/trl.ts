import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { descriptionFiles, WEIGHTS } from "../beyond/models/folder.ts";
import { encodeSafetensors, readTensor } from "../beyond/models/safetensors.ts";
import { openNamedModel } from "../beyond/opening/named-model.ts";
import { writeDurably } from "../beyond/platform/files.ts";
import { EMBEDDED } from "../beyond/settings/shared.ts";
import type { Dtype } from "../beyond/storage/precision.ts";
import { tensorShapes } from "../lib/model/parameters.ts";
import type { Bench, Part } from "./harness.ts";
import { shortName } from "./models.ts";
import { findPython } from "./python.ts";
import { type StepTimes, timedTraining } from "./stopwatch.ts";
import type { Cell, Row } from "./tables.ts";
import { ALWAYS_LEARN, DATA, type StepSize, stepArguments, stepRow, stepSize } from "./training.ts";

/**
 * A step of GRPO here and in TRL's GRPOTrainer with `transformers` generation: the same weights in float32,
 * the same data, group, batch, loss and reward; no token ends a completion, so that both sample as many.
 */
export const trlPart: Part = {
  about: "a training step beside TRL's GRPOTrainer (see bench/trl_steps.py)",
  async run(bench) {
    const folder = mkdtempSync(join(tmpdir(), "rlexplore-bench-"));
    const rows: Row[] = [];
    try {
      for (const model of bench.models) {
        const path = await checkpointOf(model, folder);
        // bfloat16 is TRL's way to halve the bits, float16 ours
        const dtypes: Dtype[] = bench.isSoftware ? ["f32"] : ["f32", "f16"];
        for (const dtype of dtypes) rows.push(...(await sideBySide(bench, model, path, dtype)));
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    bench.show({ title: "A training step beside TRL's GRPOTrainer: seconds", rows });
  },
};

async function sideBySide(bench: Bench, model: string, path: string, dtype: Dtype): Promise<Row[]> {
  const given = stepSize(model, bench.isSoftware);
  const size = { ...given, steps: Math.min(given.steps, 10) };
  const same = ["--scale-rewards", "group", "--learning-rate", "1e-6", "--dtype", dtype];
  const args = [...stepArguments(bench, path, size), ...ALWAYS_LEARN, ...same];
  const { times } = await timedTraining(args, { fixedLength: true });
  const name = `${shortName(model)}, ${size.prompts} x ${size.samples} x ${size.length}, ${dtype}`;
  const ours = withTokens(stepRow(`rlexplore, ${name}`, times), times);
  const trl = await runTrl({ ...size, model: path, dtype });
  if (!trl) return [ours, { name: `TRL, ${name}`, "step s": null }];
  const { trl: version, torch, transformers } = trl.versions;
  const label = `TRL ${version} (torch ${torch}, transformers ${transformers}, ${trl.device})`;
  const theirs = withTokens(stepRow(label, trl.steps), trl.steps);
  return [ours, theirs, ratios(ours, theirs)];
}

const withTokens = (row: Row, times: readonly StepTimes[]): Row => ({
  ...row,
  "prompt tokens": times[times.length - 1].promptTokens,
});

/** How many times as long the parts take there. */
function ratios(ours: Row, theirs: Row): Row {
  const parts = ["step s", "sampling", "learning", "optimizer"];
  const times = (part: string): [string, Cell] => [part, Number(theirs[part]) / Number(ours[part])];
  return { name: "TRL over rlexplore", ...Object.fromEntries(parts.map(times)) };
}

/** Runs trl_steps.py; null where there is no TRL. */
async function runTrl(task: StepSize & { model: string; dtype: Dtype }) {
  const python = await findPython("trl", "torch");
  if (!python) return null;
  const lines = readFileSync(DATA, "utf8").trim().split("\n");
  const questions = lines
    .slice(0, task.prompts * task.steps)
    .map((line): string => JSON.parse(line).question);
  const child = Bun.spawn([python, join(import.meta.dir, "trl_steps.py")], {
    stdin: new Blob([JSON.stringify({ ...task, questions })]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`trl_steps.py failed:\n${errors}`);
  return JSON.parse(output.trim().split("\n").pop() ?? "") as {
    device: string;
    versions: Record<"trl" | "torch" | "transformers", string>;
    steps: StepTimes[];
  };
}

/** A Hugging Face folder of the model, float32, which both sides open. */
async function checkpointOf(model: string, folder: string): Promise<string> {
  if (model !== EMBEDDED && !model.endsWith(".gguf")) return model;
  const opened = await openNamedModel(model);
  const { config, tensors } = opened;
  const path = join(folder, shortName(model).replaceAll(" ", "-"));
  mkdirSync(path);
  const write = (name: string, pieces: Parameters<typeof writeDurably>[1]) =>
    writeDurably(join(path, name), pieces);
  for (const [name, content] of Object.entries(descriptionFiles(opened))) {
    await write(name, [await new Blob([content]).bytes()]);
  }
  const sources = Array.from(tensorShapes(config), ([name, shape]) => {
    return { name, shape, data: () => readTensor(tensors, name) };
  });
  await write(WEIGHTS, encodeSafetensors(sources));
  return path;
}
