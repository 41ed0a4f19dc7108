import { describe, expect, test } from "bun:test";
import { openGgufModel } from "../../beyond/gguf/open.ts";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { prompterOf, tokenizerOf } from "../../beyond/opening/named-model.ts";
import { OpenPolicy, openGpu } from "../../beyond/opening/policy.ts";
import { DTYPES, elementBytes, hasHalves } from "../../beyond/storage/precision.ts";
import { Decoder } from "../../lib/model/decoder.ts";
import { PackedBatch } from "../../lib/model/packing.ts";
import { TrainingMemory, TrainingPass } from "../../lib/model/training-pass.ts";
import corpus from "../golden/tokenizer.json";
import golden from "./smollm2.json";

const path = process.env.RLEXPLORE_SMOLLM2;
if (!path) console.log("tests/real: skipped, RLEXPLORE_SMOLLM2 names no file (README.md there)");

const { cases, vocabulary } = golden;
const maxNewTokens = Math.max(...cases.map(({ completion }) => completion.length));

describe.skipIf(!path)("SmolLM2-135M-Instruct, from its GGUF file", () => {
  const open = () => openGgufModel(path as string);

  test("tokens are those of the Python library", async () => {
    const model = await open();
    const tokenizer = tokenizerOf(model);
    for (const [i, text] of corpus.corpus.entries()) {
      expect([text, tokenizer.encode(text)]).toEqual([text, golden.corpus[i]]);
    }
    const settings = {
      model: path as string,
      systemPrompt: null,
      promptTemplate: "{question}",
      chatTemplateKwargs: null,
    };
    const prompter = prompterOf(model, settings, () => {});
    for (const { question, prompt } of cases) {
      expect(prompter.encodePrompt({ question }, "q")).toEqual(prompt);
    }
  });

  /** What may differ: logits and log-probabilities relatively, and how near to a tie a text may part. */
  const allowed = {
    f32: { logits: 1e-5, logprobs: 1e-4, margin: 1e-4, same: 48 },
    f16: { logits: 1e-2, logprobs: 1e-2, margin: 5e-2, same: 40 },
  };
  const greedy = "logits, and greedy text of 50 prompts, are those of transformers in f32";
  test.each(DTYPES)(
    `${greedy}: %s`,
    async (dtype) => {
      const gpu = await openGpu(null);
      if (dtype === "f16" && !hasHalves(gpu)) {
        console.log(`tests/real: f16 skipped, ${gpu.found.name} has no shader-f16`);
        return gpu.destroy();
      }
      const model = await open();
      const began = performance.now();
      const maxPromptTokens = Math.max(...cases.map(({ prompt }) => prompt.length));
      const sampling = { rows: cases.length, samplesPerPrompt: 1, maxPromptTokens, maxNewTokens };
      const policy = await OpenPolicy.open(gpu, model, { dtype, sampling });
      const loaded = performance.now();

      const table = gpu.allocate("buffers", "RoPE table", 256 * model.config.headDim);
      const decoder = new Decoder(gpu, model.config, table, makeOps(gpu, model.config.headDim));
      const trainingPass = new TrainingPass(
        gpu,
        decoder,
        new TrainingMemory(gpu, model.config, 256, { elementBytes: elementBytes(dtype) }),
      );
      const batch = new PackedBatch(256);
      const logprobs = new Float32Array(256);
      const worst = { logits: 0, logprobs: 0 };
      for (const { prompt, logits } of cases) {
        if (!logits) continue;
        batch.clear();
        batch.add(prompt, vocabulary.map((id) => [id])); // biome-ignore format: one token each
        await trainingPass.logprobs(policy.weights, batch, 1, logprobs, new Float32Array(256));
        // log-probabilities are logits but for one constant
        const shift = mean(logits) - mean([...logprobs.subarray(0, logits.length)]);
        const found = logits.map((_, i) => logprobs[i] + shift);
        worst.logits = Math.max(worst.logits, relativeError(found, logits));
      }
      expect(worst.logits).toBeLessThan(allowed[dtype].logits);

      const start = performance.now();
      const requests = cases.map(({ prompt }, slot) => ({ prompt, samples: 1, slot }));
      const completions = await policy.sampler.generate(policy.weights, requests, {
        temperature: 1,
        topK: 1, // greedy
        topP: 1,
        minP: 0,
        maxNewTokens,
        stopIds: policy.stopIds,
        isOver: undefined,
        seed: [1, 0],
        step: 0,
      });
      const seconds = (performance.now() - start) / 1000;
      let tokens = 0;
      let same = 0;
      for (const [i, { completion, logprobs, margin }] of cases.entries()) {
        const [found] = completions[i];
        tokens += found.tokens.length;
        const equal =
          found.tokens.length === completion.length &&
          found.tokens.every((id, t) => id === completion[t]);
        // another order of summation may let a near tie fall the other way, and nothing else
        if (!equal) expect(margin).toBeLessThan(allowed[dtype].margin);
        if (!equal) continue;
        same++;
        worst.logprobs = Math.max(worst.logprobs, relativeError([...found.logprobs], logprobs));
      }
      expect(worst.logprobs).toBeLessThan(allowed[dtype].logprobs);
      expect(same).toBeGreaterThanOrEqual(allowed[dtype].same);
      const peak = process.resourceUsage().maxRSS / 2 ** 20;
      console.log(
        `${gpu.found.why}, ${dtype}; weights loaded in ${((loaded - began) / 1000).toFixed(1)} s; ` +
          `worst relative error of logits ${worst.logits.toExponential(1)}, log-probabilities ` +
          `${worst.logprobs.toExponential(1)}; ${same} of 50 texts the same; ${tokens} tokens in ` +
          `${seconds.toFixed(0)} s: ${(tokens / seconds).toFixed(1)} tokens/s; peak ${peak.toFixed(2)} GiB`,
      );
      gpu.destroy();
    },
    3_600_000,
  );
});

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

function relativeError(found: number[], expected: number[]): number {
  const norm = (values: number[]) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
  return norm(found.map((x, i) => x - expected[i])) / norm(expected);
}
