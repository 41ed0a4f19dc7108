import { makeOps } from "../../beyond/kernels/ops.ts";
import type { Variants } from "../../beyond/kernels/variants.ts";
import type { SystemGpu } from "../../beyond/platform/gpu.ts";
import { PipelinedMemory, type PipelinedSizes } from "../../beyond/scheduling/pipelined-memory.ts";
import { PipelinedSampler } from "../../beyond/scheduling/pipelined-sampler.ts";
import type { ScheduledCommands } from "../../beyond/scheduling/scheduled-commands.ts";
import type { Guesses } from "../../beyond/speculation/guesses.ts";
import type { Choice } from "../../beyond/speculation/pass-times.ts";
import { SpeculativeSampler } from "../../beyond/speculation/speculative-sampler.ts";
import type { GenerationSettings } from "../../lib/model/completion.ts";
import { Decoder } from "../../lib/model/decoder.ts";
import { ParameterLayout, Parameters } from "../../lib/model/parameters.ts";
import { loadDecoderGolden } from "../golden/decoder.ts";

// What the small random models are asked: more completions than the samplers of the tests have rows for.
export const settings: GenerationSettings = {
  temperature: 0.9,
  topK: 0,
  topP: 1,
  minP: 0,
  maxNewTokens: 12,
  stopIds: new Set([3]),
  seed: [1, 2],
  step: 5,
};
export const prompts = [[1], [4, 5, 6], [7, 8, 9, 10, 11], [12, 30], [2, 2, 2, 2, 2, 2, 2]];
export const requests = prompts.map((prompt, slot) => ({ prompt, samples: 13, slot }));

/** The small random model on a GPU, as the golden file has it. */
export function goldenDecoder(gpu: SystemGpu, variants: Partial<Variants> = {}) {
  const golden = loadDecoderGolden("untied");
  const { config } = golden;
  const weights = new Parameters(gpu, new ParameterLayout(config, gpu), "weights", "weights");
  for (const [name, data] of golden.weights) weights.set(gpu, name, Float32Array.from(data));
  const table = gpu.allocate("buffers", "RoPE", 64 * config.headDim);
  const decoder = new Decoder(gpu, config, table, makeOps(gpu, config.headDim, variants, config));
  return { config, weights, decoder };
}

/** The sampler of a run, with a memory of its own. */
export function pipelinedSampler(
  gpu: SystemGpu,
  decoder: Decoder,
  sizes: PipelinedSizes,
  turnsAhead?: number,
): PipelinedSampler {
  const memory = new PipelinedMemory(gpu, decoder.config, sizes);
  return new PipelinedSampler(gpu, gpu.scheduled as ScheduledCommands, decoder, memory, turnsAhead);
}

/** Checks all that is guessed and finds room, whatever it costs. */
const checkAll: Choice = {
  choose: (_, chances) => chances.length,
  mayPay: () => true,
  noteStep: () => {},
  noteCheck: () => {},
};

/** The same that checks guesses. */
export function speculativeSampler(
  gpu: SystemGpu,
  decoder: Decoder,
  sizes: PipelinedSizes,
  guesses: Guesses,
  choice: Choice = checkAll,
  turnsAhead?: number,
): SpeculativeSampler {
  const memory = new PipelinedMemory(gpu, decoder.config, sizes);
  const commands = gpu.scheduled as ScheduledCommands;
  return new SpeculativeSampler(gpu, commands, decoder, memory, guesses, choice, turnsAhead);
}
