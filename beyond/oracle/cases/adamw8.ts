import { Adamw8, MOMENT_BLOCK } from "../../storage/adamw8.ts";
import { clipFactor } from "../adamw.ts";
import { adamw8Step } from "../adamw8.ts";
import { norm } from "../compare.ts";
import { Random } from "../random.ts";
import { adamwParams } from "./adamw.ts";
import type { KernelCase } from "./case.ts";

const SETTINGS = {
  learningRate: 0.02,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-6,
  weightDecay: 0.1,
};

/** Four codes a word, the last one filled up with 0. */
function packedCodes(codes: Uint8Array): Uint32Array {
  const bytes = new Uint8Array(Math.ceil(codes.length / 4) * 4);
  bytes.set(codes);
  return new Uint32Array(bytes.buffer);
}

/**
 * Update number `step` of AdamW with moments of 8 bits over one range, which `zeroed` starts with moments
 * of 0. Gradients span six decades. Where float32 might round a code differently, gradient and codes are changed
 * until it would not, so that codes can be compared exactly.
 */
export function adamw8(
  count: number,
  maxNorm: number,
  { step = 3, zeroed = false } = {},
): KernelCase {
  const random = new Random(10, count, step);
  const blocks = Math.ceil(count / MOMENT_BLOCK);
  const codes = () => Uint8Array.from(random.integers(count, 256), (code) => (zeroed ? 0 : code));
  const scales = random.normal(2 * blocks, zeroed ? 0 : 0.1).map(Math.abs);
  const parameters = random.normal(count, 0.05);
  const state = { parameters, first: codes(), second: codes(), scales };
  const gradient = random
    .normal(count, 0.3)
    .map((value) => Math.fround(value * 10 ** (-6 * random.float())));
  const key = random.int(2 ** 32);
  for (;;) {
    const total = norm(gradient);
    const factor = maxNorm > 0 ? clipFactor(total, maxNorm) : 1;
    const clipped = gradient.map((g) => g * factor);
    const { unclear, ...after } = adamw8Step(state, clipped, step, SETTINGS, key);
    for (const i of unclear) {
      gradient[i] = Math.fround(gradient[i] * (0.5 + random.float()));
      if (!zeroed) [state.first[i], state.second[i]] = random.integers(2, 256);
    }
    if (unclear.length > 0) continue;
    const kernel = "adamw8.update_8bit";
    const params = adamwParams(SETTINGS, step, maxNorm);
    return {
      inputs: { dw: gradient, summary: Float64Array.of(Math.fround(total), 0) },
      outputs: {
        w: { kernel, reference: after.parameters, initial: parameters },
        m8: { kernel, reference: packedCodes(after.first), initial: packedCodes(state.first) },
        v8: { kernel, reference: packedCodes(after.second), initial: packedCodes(state.second) },
        scales: { kernel, reference: after.scales, initial: scales },
      },
      dispatch: (ops, { w, dw, m8, v8, scales, summary }) =>
        new Adamw8(ops.kernels).update({ w, dw, m8, v8, scales, summary }, count, params, key),
    };
  }
}
