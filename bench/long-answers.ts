import { makeOps } from "../beyond/kernels/ops.ts";
import { planMemory } from "../beyond/memory/memory-plan.ts";
import type { SystemGpu } from "../beyond/platform/gpu.ts";
import type { Ceilings } from "../beyond/tuning/measure.ts";
import type { GenerationSettings } from "../lib/model/completion.ts";
import type { ModelConfig } from "../lib/model/config.ts";
import { Decoder } from "../lib/model/decoder.ts";
import { Sampler } from "../lib/model/generate.ts";
import { tensorShapes, type Weights } from "../lib/model/parameters.ts";
import { ropeTableLength } from "../lib/model/rope.ts";
import { SamplerMemory } from "../lib/model/sampler-memory.ts";
import type { Bench, Part } from "./harness.ts";
import { openBenchPolicy, parameterCount, SHALLOW_MODELS } from "./models.ts";
import type { Row } from "./tables.ts";
import { batchOf, ifItFits, learnFrom, learningNeeds } from "./throughput.ts";

const CONTEXTS = [256, 1024, 4096];
/** Completions that are decoded together; none of their keys is another's. */
const BATCH = 8;
/** Decoding steps that are timed, the median of which counts. */
const STEPS = 7;

/**
 * What a token costs at the end of a long text, in sampling and in learning, of two layers and the head. Beside the
 * clock stands processor time, of all cores: on a machine that does other things too it is the fairer of the two.
 */
export const longAnswersPart: Part = {
  about: "decoding and learning at 256 to 4,096 tokens of context, and their floors",
  async run(bench) {
    for (const model of SHALLOW_MODELS) {
      const rows: Row[] = [];
      for (const context of CONTEXTS) {
        const decoded = await ifItFits(() =>
          bench.withGpu((gpu) => decodingAt(bench, gpu, model, context)),
        );
        const learned = await ifItFits(() =>
          bench.withGpu((gpu) => learningFrom(gpu, model, context)),
        );
        rows.push({ name: `${context} tokens`, context, ...decoded, ...learned });
      }
      bench.show({ title: `Long answers, ${model}: ${BATCH} rows, and one sequence`, rows });
    }
  },
};

/** A decoding step at this context, and its floor. */
async function decodingAt(bench: Bench, gpu: SystemGpu, model: string, context: number) {
  const ceilings = await bench.ceilings(gpu);
  const { model: folder, weights } = await openBenchPolicy(gpu, model, {});
  const { config } = folder;
  const tokens = context + STEPS + 1;
  const lengths = { maxPromptTokens: 1, maxNewTokens: tokens };
  const { splitQueries } = gpu.variants;
  const sizes = { rows: BATCH, promptSlots: 1, ...lengths, splitQueries };
  const memory = new SamplerMemory(gpu, config, sizes);
  const table = gpu.allocate("buffers", "RoPE", ropeTableLength(config, tokens));
  const decoder = new Decoder(gpu, config, table, makeOps(gpu, config.headDim, {}, config));
  const sampler = new StepByStep(gpu, decoder, memory);
  sampler.standAt(gpu, memory, context);
  const times: { ms: number; processor: number }[] = [];
  for (let step = 0; step <= STEPS; step++) {
    const [cpu, began] = [process.cpuUsage(), performance.now()];
    sampler.step(weights, memory);
    await gpu.read(memory.drawn.token, new Uint32Array(BATCH));
    const { user, system } = process.cpuUsage(cpu);
    times.push({ ms: performance.now() - began, processor: (user + system) / 1000 });
  }
  times.shift(); // compiles
  times.sort((a, b) => a.ms - b.ms);
  const { ms } = times[STEPS >> 1];
  const processor = times.map(({ processor }) => processor).sort((a, b) => a - b)[STEPS >> 1];
  const bytes = 8 * config.numLayers * config.numKeyValueHeads * config.headDim * BATCH * context;
  const floor = floorOf(config, bytes, context, ceilings);
  return {
    "decoding ms": ms,
    "processor ms": processor,
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
  const parameters = parameterCount({ shapes: tensorShapes(config) });
  const moving = (4 * parameters + keyBytes) / bandwidth;
  const attention = 2 * config.numLayers * config.numHeads * config.headDim * context;
  const computing = (2 * BATCH * (parameters + attention)) / flops;
  return 1000 * Math.max(moving, computing);
}

/** Decodes without having computed what came before: it is what it takes that counts. */
class StepByStep extends Sampler {
  standAt(gpu: SystemGpu, { spans, ids, tokensPerRow }: SamplerMemory, context: number): void {
    const ends = Array.from({ length: BATCH }, (_, row) => row * tokensPerRow);
    gpu.upload(spans, Uint32Array.from(ends.flatMap((at) => [0, 0, at, at + context])));
    gpu.upload(
      ids,
      Uint32Array.from(ends, (_, row) => row),
    );
  }

  step(weights: Weights, { ids, drawn }: SamplerMemory): void {
    this.decode(weights, BATCH, ids, drawn, SETTINGS);
  }
}

const SETTINGS: GenerationSettings = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  maxNewTokens: STEPS,
  stopIds: new Set(),
  seed: [1, 0],
  step: 0,
};

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
