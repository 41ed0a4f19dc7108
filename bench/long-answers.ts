import { makeOps } from "../beyond/kernels/ops.ts";
import { planMemory } from "../beyond/memory/memory-plan.ts";
import type { SystemGpu } from "../beyond/platform/gpu.ts";
import type { Ceilings } from "../beyond/tuning/measure.ts";
import type { ModelConfig } from "../lib/model/config.ts";
import { Decoder } from "../lib/model/decoder.ts";
import { tensorShapes } from "../lib/model/parameters.ts";
import { ropeTableLength } from "../lib/model/rope.ts";
import { SamplerMemory } from "../lib/model/sampler-memory.ts";
import type { Bench, Part } from "./harness.ts";
import { openBenchPolicy, parameterCount, SHALLOW_MODELS } from "./models.ts";
import { median, type Row } from "./tables.ts";
import { batchOf, ifItFits, learnFrom, learningNeeds, Patience } from "./throughput.ts";

const CONTEXTS = [256, 1024, 4096];
/** Completions that are decoded together; none of their keys is another's. */
const BATCH = 8;
/** Decoding steps, of which the median counts. */
const STEPS = 7;

/**
 * What a token costs at the end of a long text, in decoding (two layers without the head) and in learning (with it). Beside the
 * clock stands processor time, of all cores: on a machine that does other things too it is the fairer of the two.
 */
export const longAnswersPart: Part = {
  about: "decoding and learning at 256 to 4,096 tokens of context, and their floors",
  async run(bench) {
    for (const model of SHALLOW_MODELS) {
      const rows: Row[] = [];
      const patience = new Patience(bench.isSoftware, 2);
      for (const context of CONTEXTS) {
        const decoded = await ifItFits(() =>
          bench.withGpu((gpu) => decodingAt(bench, gpu, model, context)),
        );
        const learned =
          patience.allows(context) &&
          (await ifItFits(() => bench.withGpu((gpu) => learningFrom(gpu, model, context))));
        if (learned) patience.note(context / learned["learned tokens/s"], context);
        rows.push({ name: `${context} tokens`, context, ...decoded, ...learned });
      }
      bench.show({ title: `Long answers, ${model}: ${BATCH} rows, and one sequence`, rows });
    }
  },
};

/**
 * A decoding step of the layers at this context, and its floor. What came before is not computed, since it is what the
 * step takes that counts.
 */
async function decodingAt(bench: Bench, gpu: SystemGpu, model: string, context: number) {
  const ceilings = await bench.ceilings(gpu);
  const { model: folder, weights } = await openBenchPolicy(gpu, model, {});
  const { config } = folder;
  const lengths = { maxPromptTokens: 1, maxNewTokens: context };
  const { splitQueries } = gpu.variants;
  const sizes = { rows: BATCH, promptSlots: 1, ...lengths, splitQueries };
  const memory = new SamplerMemory(gpu, config, sizes);
  const { spans, moved, ids, keyChunks, activations, caches } = memory;
  const table = gpu.allocate("buffers", "RoPE", ropeTableLength(config, context));
  const decoder = new Decoder(gpu, config, table, makeOps(gpu, config.headDim, {}, config));
  const starts = Array.from({ length: BATCH }, (_, row) => row * context);
  gpu.upload(spans, Uint32Array.from(starts.flatMap((at) => [0, 0, at, at + context])));
  gpu.upload(
    ids,
    Uint32Array.from(starts, (_, row) => row),
  );
  const input = { ids, spans, moved, keyChunks, isDecoding: true };
  const times: { ms: number; processor: number }[] = [];
  for (let step = 0; step <= STEPS; step++) {
    const [cpu, began] = [process.cpuUsage(), performance.now()];
    decoder.forward(weights, input, BATCH, activations, caches);
    await gpu.read(activations.output, new Float32Array(BATCH));
    const { user, system } = process.cpuUsage(cpu);
    times.push({ ms: performance.now() - began, processor: (user + system) / 1000 });
  }
  times.shift(); // compiles
  const ms = median(times.map(({ ms }) => ms));
  const bytes = 8 * config.numLayers * config.numKeyValueHeads * config.headDim * BATCH * context;
  const floor = floorOf(config, bytes, context, ceilings);
  return {
    "decoding ms": ms,
    "processor ms": median(times.map(({ processor }) => processor)),
    "floor ms": floor,
    "% of roofline": (100 * floor) / ms,
    "keys and values, MiB": bytes / 2 ** 20,
  };
}

/** Milliseconds in which weights and keys cross the bus once, or in which all is multiplied, if that takes longer. */
function floorOf(
  config: ModelConfig,
  keyBytes: number,
  context: number,
  { flops, bandwidth }: Ceilings,
): number {
  const parameters = layerParameters(config);
  const attended = 2 * config.numLayers * config.numHeads * config.headDim * context;
  const moving = (4 * parameters + keyBytes) / bandwidth;
  const computing = (2 * BATCH * (parameters + attended)) / flops;
  return 1000 * Math.max(moving, computing);
}

/** All but the embedding's. */
const layerParameters = (config: ModelConfig) =>
  parameterCount({ shapes: tensorShapes(config) }) - config.vocabSize * config.hiddenSize;

/** Learning from one sequence of so many tokens, once: it takes long enough for that. */
async function learningFrom(gpu: SystemGpu, model: string, tokens: number) {
  const needs = learningNeeds(tokens);
  const policy = await openBenchPolicy(gpu, model, needs);
  await learnFrom(policy, [batchOf(policy, 256, 256)]); // compiles
  const cpu = process.cpuUsage();
  const [seconds] = await learnFrom(policy, [batchOf(policy, tokens, tokens)]);
  const { user, system } = process.cpuUsage(cpu);
  return {
    "learned tokens/s": tokens / seconds,
    "processor ms a token": (user + system) / 1000 / tokens,
    "learning, MiB": planMemory(policy.model.config, gpu, needs).total / 2 ** 20,
  };
}
