import { logitsStride } from "../../../lib/model/head.ts";
import type { Logprob } from "../../../lib/model/ops/logprob.ts";
import type { SamplingOptions } from "../../../lib/model/ops/sample.ts";
import { logprobBackward, logprobForward } from "../logprob.ts";
import { Random } from "../random.ts";
import { type DrawKey, sampleDraw, threefry2x32 } from "../sample.ts";
import { type KernelCase, wholeVectors } from "./case.ts";

/** Past the end of a row: it must not be taken for a logit. */
const TEMPTING = 1e30;

/** M rows of V logits, `block` at a time, a multiple of 4. */
export function logprob(shape: { M: number; V: number; block?: number }, scale = 3): KernelCase[] {
  const { M, V, block = V } = shape;
  const random = new Random(8, M, V);
  const temperature = 0.75;
  const logits = random.normal(M * V, scale);
  const target = random.integers(M, V);
  const upstream = random.normal(M);
  const { logprobs, entropies } = logprobForward(logits, target, temperature);
  const state = new Float64Array(M * 4);
  for (let m = 0; m < M; m++) {
    const l = logits.subarray(m * V, (m + 1) * V).map((logit) => logit / temperature);
    const largest = l.reduce((a, b) => Math.max(a, b));
    const weights = l.map((value) => Math.exp(value - largest));
    const z = weights.reduce((a, b) => a + b);
    const e = weights.reduce((sum, weight, v) => sum + weight * (l[v] - largest), 0);
    state.set([largest, z, e, l[target[m]]], m * 4);
  }
  const stride = logitsStride(V);
  const each = (run: (at: Parameters<Logprob["forward"]>[1]) => void) => {
    for (let first = 0; first < V; first += block) {
      const columns = Math.min(block, V - first);
      const isLast = first + columns === V;
      const place = { rows: M, columns, stride, offset: first, firstColumn: first };
      run({ ...place, isLast, temperature });
    }
  };
  const gradient = logprobBackward(upstream, logits, target, temperature);
  const kernel = "logprob.forward";
  return [
    {
      inputs: { logits: wholeVectors(logits, M, TEMPTING), target_token: target },
      outputs: {
        state: { kernel, reference: state },
        logprob: { kernel, reference: logprobs },
        entropy: { kernel, reference: entropies },
      },
      dispatch: (ops, { logits, target_token, state, logprob, entropy }) =>
        each((at) => ops.logprob.forward({ logits, target_token, state, logprob, entropy }, at)),
    },
    {
      inputs: { target_token: target, state, d_logprob: upstream },
      outputs: {
        logits: {
          kernel: "logprob.backward",
          reference: wholeVectors(gradient, M, 0),
          initial: wholeVectors(logits, M, -TEMPTING),
          upstream,
        },
      },
      dispatch: (ops, { logits, target_token, state, d_logprob }) =>
        each((at) => ops.logprob.backward({ logits, target_token, state, d_logprob }, at)),
    },
  ];
}

/** One draw for each key; what the sampler moves on is exact, and so is the token. */
export function sample(
  logits: Float64Array,
  keys: readonly DrawKey[],
  options: SamplingOptions,
): KernelCase {
  const vocabulary = logits.length / keys.length;
  const tokens = keys.map((key, row) => {
    const own = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
    if (options.temperature > 0) return sampleDraw(own, options, key).token;
    return own.reduce((best, logit, v) => (logit > own[best] ? v : best), 0);
  });
  const draws = keys.map(({ seed, step, slot, sample, position }) => [
    ...threefry2x32(seed, [step, slot]),
    sample,
    position,
  ]);
  const spans = keys.map((_, row) => [row, row + 3, 2 * row, 2 * row + 1]);
  const moved = (rows: number[][]) => rows.flatMap(([a, b, c, d]) => [a, b, c, d + 1]);
  const kernel = "sample.forward";
  const [from, to] = [
    (rows: number[][]) => Uint32Array.from(rows.flat()),
    (rows: number[][]) => Uint32Array.from(moved(rows)),
  ];
  return {
    inputs: { logits: wholeVectors(logits, keys.length, TEMPTING) },
    outputs: {
      draws: { kernel, initial: from(draws), reference: to(draws) },
      spans: { kernel, initial: from(spans), reference: to(spans) },
      token: { kernel, reference: Uint32Array.from(tokens) },
    },
    dispatch: (ops, { logits, draws, spans, token }) =>
      ops.sample.forward(
        { logits, draws, spans, token },
        keys.length,
        vocabulary,
        logitsStride(vocabulary),
        options,
      ),
  };
}

/** The tokens that lie at `places`. */
export function pick(places: Uint32Array, tokens: Uint32Array): KernelCase {
  const reference = places.map((place) => tokens[place]);
  return {
    inputs: { places, tokens },
    outputs: { picked: { kernel: "pick.forward", reference } },
    dispatch: (ops, { places, tokens, picked }) =>
      ops.sample.pick({ places, tokens, picked }, reference.length),
  };
}
