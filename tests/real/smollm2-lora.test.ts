import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openGgufModel } from "../../beyond/gguf/open.ts";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { openModelFolder } from "../../beyond/models/folder.ts";
import { openSafetensors, readTensor, type StoredTensor } from "../../beyond/models/safetensors.ts";
import { OpenPolicy, openGpu } from "../../beyond/opening/policy.ts";
import { baseFormats } from "../../beyond/storage/base-formats.ts";
import { Decoder } from "../../lib/model/decoder.ts";
import { PackedBatch } from "../../lib/model/packing.ts";
import { TrainingMemory, TrainingPass } from "../../lib/model/training-pass.ts";
import { expectClose } from "../oracle/compare.ts";

const path = process.env.RLEXPLORE_SMOLLM2;
if (!path) console.log("tests/real: skipped, RLEXPLORE_SMOLLM2 names no file (README.md there)");

const folder = mkdtempSync(join(tmpdir(), "rlexplore-smollm2-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the program as a user does. @returns what it printed */
async function run(...args: string[]): Promise<string> {
  const main = join(import.meta.dir, "../../main.ts");
  const program = Bun.spawn([process.execPath, main, ...args], { stderr: "pipe" });
  const [out, errors] = await Promise.all([
    new Response(program.stdout).text(),
    new Response(program.stderr).text(),
  ]);
  expect([await program.exited, errors]).toEqual([0, errors]);
  return `${out}${errors}`;
}

describe.skipIf(!path)("SmolLM2-135M-Instruct, frozen in its own blocks", () => {
  const [output, merged] = [join(folder, "run"), join(folder, "merged")];
  const checkpoint = join(output, "checkpoint-1");

  test("computes what it does with the same numbers in float32", async () => {
    const gpu = await openGpu(null);
    const model = await openGgufModel(path as string);
    const batch = new PackedBatch(64);
    const prompt = Array.from({ length: 40 }, (_, i) => 97 * i);
    batch.add(prompt, [[1, 2, 3, 49_151], [500]]);
    const results: Float32Array[] = [];
    for (const baseDtype of ["auto", "f32"] as const) {
      const formats = baseFormats({ baseDtype, dtype: "f32" }, model.tensors);
      const sampling = { rows: 1, samplesPerPrompt: 1, maxPromptTokens: 8, maxNewTokens: 8 };
      const { weights } = await OpenPolicy.open(gpu, model, { sampling, formats });
      expect(weights.layers[29].down.format).toBe(baseDtype === "auto" ? "q4_1" : "f32");
      expect(weights.embedding.format).toBe(baseDtype === "auto" ? "q8_0" : "f32");
      const table = gpu.allocate("buffers", "RoPE table", 64 * model.config.headDim);
      const decoder = new Decoder(gpu, model.config, table, makeOps(gpu, model.config.headDim));
      const trainingPass = new TrainingPass(
        gpu,
        decoder,
        new TrainingMemory(gpu, model.config, 64),
      );
      const logprobs = new Float32Array(batch.predictions);
      await trainingPass.logprobs(weights, batch, 1, logprobs, logprobs.slice());
      results.push(logprobs);
    }
    expectClose(results[0], results[1], { name: "log-probabilities", relative: 1e-5 });
    gpu.destroy();
  }, 3_600_000);

  test("one GRPO step with LoRA and a KL penalty runs to the end and moves the adapter", async () => {
    const data = join(folder, "data.jsonl");
    writeFileSync(data, JSON.stringify({ question: "What is 2 + 3?", answer: "5" }));
    const small =
      "--max-steps 1 --prompts-per-step 1 --num-generations 2 --max-completion-length 8";
    const memory = "--micro-batch-tokens 128 --sampling-batch-size 2";
    // a group without an answer has a signal all the same
    const signal = "--explore batch --beta 0.01 --learning-rate 1e-3";
    const flags = `${small} ${memory} ${signal} --lora-rank 8`.split(" ");
    const text = await run(
      "train",
      data,
      "--model",
      path as string,
      ...flags,
      "--output-dir",
      output,
    );
    // with the adapter; the same in Q8_0 would be 146 MiB
    const weights = Number(/weights ([\d.]+) MiB/.exec(text)?.[1]);
    expect(weights).toBeGreaterThan(90);
    expect(weights).toBeLessThan(105);
    const config = JSON.parse(readFileSync(join(checkpoint, "adapter_config.json"), "utf8"));
    expect(config).toMatchObject({ r: 8, base_model_name_or_path: path });
    const metrics = JSON.parse(readFileSync(join(output, "metrics.jsonl"), "utf8").split("\n")[0]);
    expect(metrics.gradNorm).toBeGreaterThan(0);
  }, 3_600_000);

  test("merge makes a full checkpoint of the dequantised weights and the adapter", async () => {
    expect(await run("merge", output, "--output-dir", merged)).toContain("dequantised weights of");
    expect(existsSync(join(merged, "tokenizer.json"))).toBe(true);
    const name = "model.layers.7.self_attn.q_proj"; // GGUF has its rows in another order
    const file = join(checkpoint, "adapter_model.safetensors");
    const adapter = await openSafetensors(Bun.file(file), file);
    const part = (which: string) =>
      readTensor(adapter, `base_model.model.${name}.lora_${which}.weight`);
    const [a, b] = [await part("A"), await part("B")];
    expect(b.some((value) => value !== 0)).toBe(true);
    const weight = (tensors: Map<string, StoredTensor>) => readTensor(tensors, `${name}.weight`);
    const before = await weight((await openGgufModel(path as string)).tensors);
    const after = await weight((await openModelFolder(merged)).tensors);
    const [rank, columns] = [8, a.length / 8];
    for (let i = 0; i < after.length; i += 997) {
      const [row, column] = [Math.floor(i / columns), i % columns];
      let low = 0;
      for (let r = 0; r < rank; r++) low += b[row * rank + r] * a[r * columns + column];
      expect(after[i]).toBeCloseTo(before[i] + (32 / rank) * low, 6);
    }
  }, 600_000);
});
