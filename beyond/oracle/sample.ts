/**
 * The specification of the sampler, in float64: which tokens stay, what noise each gets, which wins.
 */
import { logprobForward } from "./logprob.ts";

/** Two u32 words. */
export type Words = readonly [number, number];

/** Threefry2x32 with 20 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). */
export function threefry2x32(key: Words, counter: Words): Words {
  const rotations = [13, 15, 26, 6, 17, 29, 16, 24];
  const keys = [key[0], key[1], key[0] ^ key[1] ^ 0x1bd11bda];
  let x = (counter[0] + keys[0]) | 0;
  let y = (counter[1] + keys[1]) | 0;
  for (let round = 0; round < 20; round++) {
    const r = rotations[round % 8];
    x = (x + y) | 0;
    y = ((y << r) | (y >>> (32 - r))) ^ x;
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      x = (x + keys[injection % 3]) | 0;
      y = (y + keys[(injection + 1) % 3] + injection) | 0;
    }
  }
  return [x >>> 0, y >>> 0];
}

/** What a draw depends on, and all it depends on: not the batch, not the other completions. */
export interface DrawKey {
  seed: Words;
  step: number;
  /** Draw slot in the step: which question of the step. */
  slot: number;
  /** Which completion of the question. */
  sample: number;
  /** Which token of the completion. */
  position: number;
}

/** The noise word r_v of vocabulary entry v: threefry keyed in two stages, counting pairs of v. */
export function noiseWord({ seed, step, slot, sample, position }: DrawKey, v: number): number {
  const slotKey = threefry2x32(seed, [step, slot]);
  const drawKey = threefry2x32(slotKey, [sample, position]);
  return threefry2x32(drawKey, [v >> 1, 0])[v & 1];
}

/**
 * E = -ln(u), exponential with rate 1, where u = (floor(r / 512) + 1/2) / 2^23 is in (0, 1) and exact
 * in f32. E is at most 16.7, which cuts off less than one draw in ten million.
 */
export function exponentialFromWord(word: number): number {
  return -Math.log(((word >>> 9) + 0.5) / 2 ** 23);
}

export interface SamplingSettings {
  temperature: number;
  /** Keep the k most probable tokens; 0 keeps all. */
  topK?: number;
  /** Keep the most probable tokens that together reach this share; 1 keeps all. */
  topP?: number;
  /** Keep the tokens with at least this share of the largest probability; 0 keeps all. */
  minP?: number;
}

/**
 * Which tokens may be drawn. Top-k: p_v >= the k-th largest p. Top-p, among those: the mass of the
 * strictly more probable ones is under topP of their mass. Min-p: p_v >= minP max p. Tokens of equal
 * probability stay or go together, and the most probable one always stays.
 */
export function keptTokens(
  probabilities: Float64Array,
  { topK = 0, topP = 1, minP = 0 }: SamplingSettings,
): boolean[] {
  const sorted = Float64Array.from(probabilities).sort().reverse();
  const kthLargest = topK > 0 && topK < sorted.length ? sorted[topK - 1] : 0;
  const survivors = sorted.filter((p) => p >= kthLargest);
  const mass = survivors.reduce((sum, p) => sum + p, 0);
  let threshold = Math.max(kthLargest, minP * sorted[0]);
  if (topP < 1) {
    let before = 0;
    let nucleus = sorted[0];
    for (const p of survivors) {
      if (before >= topP * mass) break;
      nucleus = p;
      before += p;
    }
    threshold = Math.max(threshold, nucleus);
  }
  return Array.from(probabilities, (p) => p >= threshold);
}

export interface Draw {
  token: number;
  /** Of the full softmax at the temperature, before top-k, top-p and min-p. */
  logprob: number;
  /** Likewise. */
  entropy: number;
  kept: boolean[];
  /** ln(p_v / E_v) for kept tokens, -Infinity for the rest: how close the race was. */
  scores: Float64Array;
}

/**
 * Draws argmax over kept v of p_v / E_v, the first to ring of independent clocks with rates p_v,
 * which is v with probability p_v / sum of kept p. `logits` [V].
 */
export function sampleDraw(logits: Float64Array, settings: SamplingSettings, key: DrawKey): Draw {
  const { temperature } = settings;
  const { lse } = logprobForward(logits, Uint32Array.of(0), temperature);
  const probabilities = logits.map((logit) => Math.exp(logit / temperature - lse[0]));
  const kept = keptTokens(probabilities, settings);
  const scores = logits.map((logit, v) =>
    kept[v]
      ? logit / temperature - lse[0] - Math.log(exponentialFromWord(noiseWord(key, v)))
      : Number.NEGATIVE_INFINITY,
  );
  const token = scores.reduce((best, score, v) => (score > scores[best] ? v : best), 0);
  const { logprobs, entropies } = logprobForward(logits, Uint32Array.of(token), temperature);
  return { token, logprob: logprobs[0], entropy: entropies[0], kept, scores };
}
