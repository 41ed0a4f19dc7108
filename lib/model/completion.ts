import { NotFiniteError } from "../errors.ts";
/** What the sampler is asked for, and what it gives back. */
import type { SamplingOptions } from "./ops/sample.ts";

/** A prompt to be completed several times. */
export interface GenerationRequest {
  /** Token ids, one or more. */
  prompt: ArrayLike<number>;
  /** How many completions. */
  samples: number;
  /** Keys the randomness, with the sample's number: which draw of the step this is. */
  slot: number;
  /** Tokens it begins with as the request before it did, where each was alone: their keys are in the cache. */
  known?: number;
}

export interface Completion {
  tokens: number[];
  /** Of each token, under the full softmax at the sampling temperature, before top-k, top-p and min-p. */
  logprobs: number[];
  /** Of that softmax, in nats. */
  entropies: number[];
  /** False if it was cut off at `maxNewTokens`. */
  finished: boolean;
}

export interface GenerationSettings extends SamplingOptions {
  maxNewTokens: number;
  stopIds: ReadonlySet<number>;
  /** Whether a completion that has just grown is over, for stop texts that span tokens. */
  isOver?: (tokens: readonly number[]) => boolean;
  /** Key of all randomness. */
  seed: readonly [number, number];
  step: number;
}

/**
 * Adds a drawn token to a completion.
 * @returns whether it is over with that
 * @throws NotFiniteError if any of the logits it was drawn from was NaN or infinite: their entropy is then, too
 */
export function appendToken(
  completion: Completion,
  token: number,
  logprob: number,
  entropy: number,
  { stopIds, isOver, maxNewTokens }: GenerationSettings,
): boolean {
  if (!Number.isFinite(logprob) || !Number.isFinite(entropy)) throw new NotFiniteError("logits");
  completion.tokens.push(token);
  completion.logprobs.push(logprob);
  completion.entropies.push(entropy);
  completion.finished = stopIds.has(token) || (isOver?.(completion.tokens) ?? false);
  return completion.finished || completion.tokens.length === maxNewTokens;
}
