import type { Gpu } from "../../lib/gpu/device.ts";
import type { Decoder } from "../../lib/model/decoder.ts";
import type { Weights } from "../../lib/model/parameters.ts";
import type { Row } from "../../lib/model/row-state.ts";
import type { SamplerMemory } from "../../lib/model/sampler-memory.ts";

/** A row that was put aside and has memory again, and the first token of its prompt that is to be computed again. */
export interface TakenBack<R extends Row> {
  row: R;
  from: number;
}

/**
 * Computes keys and values of a row, and of its prompt from a token on, in as few passes as there is room for.
 * @param start first cache row of its prompt
 */
export function computeAgain(
  gpu: Gpu,
  decoder: Decoder,
  weights: Weights,
  memory: SamplerMemory,
  { row, from }: TakenBack<Row>,
  start: number,
): void {
  const { promptIds: ids, promptSpans: spans, moved, activations, caches, maxTokens } = memory;
  const { prompt, cacheRow, completion } = row;
  const asked = prompt.request.prompt;
  const end = start + asked.length;
  const tokens: number[] = [];
  const seen: number[] = [];
  for (let i = from; i < asked.length; i++) {
    tokens.push(asked[i]);
    seen.push(start, start, start, start + i + 1);
  }
  // the last one is the next that a decoding step runs through the model
  for (let i = 0; i < row.drawn - 1; i++) {
    tokens.push(completion.tokens[i]);
    seen.push(start, end, cacheRow, cacheRow + i + 1);
  }
  for (let at = 0; at < tokens.length; at += maxTokens) {
    const count = Math.min(maxTokens, tokens.length - at);
    gpu.upload(ids, Uint32Array.from(tokens.slice(at, at + count)));
    gpu.upload(spans, Uint32Array.from(seen.slice(4 * at, 4 * (at + count))));
    decoder.forward(weights, { ids, spans, moved }, count, activations, caches);
  }
}
