import { type AdamwParams, SQUARE_CHUNK, squareChunks } from "../../../lib/model/ops/adamw.ts";
import type { Dtype } from "../../storage/precision.ts";
import { Round } from "../../storage/round.ts";
import { type AdamwSettings, adamwStep, clipFactor, globalNorm } from "../adamw.ts";
import { norm } from "../compare.ts";
import { Random } from "../random.ts";
import { type Data, type KernelCase, type Output, storage } from "./case.ts";

/** The kernel's scalars for update number `step`, from 1. */
export function adamwParams(settings: AdamwSettings, step: number, maxNorm: number): AdamwParams {
  const { learningRate, beta1, beta2, epsilon, weightDecay } = settings;
  return {
    max_norm: maxNorm,
    decay: 1 - learningRate * weightDecay,
    beta1,
    beta2,
    step_size: learningRate / (1 - beta1 ** step),
    root_correction: Math.sqrt(1 - beta2 ** step),
    epsilon,
  };
}

/** The copy of parameters in another dtype. */
export function round(count: number, dtype: Dtype): KernelCase {
  const w = new Random(15, count).normal(count, 0.05);
  const kernel = "round.forward";
  return {
    inputs: { w },
    outputs: { copy: { kernel, reference: w, ...storage(dtype).output } },
    dispatch: ({ kernels }, { w, copy }) => new Round(kernels).forward({ w, copy }, count),
  };
}

/**
 * Update number `step` of AdamW over several ranges, their gradients clipped by their common norm.
 * The first starts with moments of 0. `copy` is what the parameters are copied to in passing.
 */
export function adamw(
  counts: readonly number[],
  maxNorm: number,
  { step = 3, copy = null as Dtype | null } = {},
): KernelCase {
  const random = new Random(9, ...counts);
  const momentScale = step > 1 ? 0.1 : 0;
  const settings = {
    learningRate: 0.02,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-6,
    weightDecay: 0.1,
  };
  const ranges = counts.map((count) => ({
    parameters: random.normal(count, 0.05),
    first: random.normal(count, momentScale),
    second: random.normal(count, momentScale).map((value) => Math.fround(value * value)),
    gradient: random.normal(count, 0.3),
  }));
  const total = globalNorm(ranges.map(({ gradient }) => gradient));
  const factor = maxNorm > 0 ? clipFactor(total, maxNorm) : 1;
  const partial = ranges.flatMap(({ gradient }) =>
    Array.from({ length: squareChunks(gradient.length) }, (_, chunk) => [
      norm(gradient.subarray(chunk * SQUARE_CHUNK, (chunk + 1) * SQUARE_CHUNK)) ** 2,
      0,
    ]).flat(),
  );
  const inputs: Record<string, Data> = {};
  const outputs: Record<string, Output> = {
    partial: { kernel: "adamw.square", reference: Float64Array.from(partial) },
    summary: { kernel: "adamw.total", reference: Float64Array.of(total, 0) },
  };
  ranges.forEach(({ gradient, ...state }, i) => {
    const clipped = gradient.map((g) => g * factor);
    const after = adamwStep(state, clipped, step, settings);
    const kernel = copy ? "adamw.update_rounded" : "adamw.update";
    inputs[`dw${i}`] = gradient;
    outputs[`w${i}`] = { kernel, reference: after.parameters, initial: state.parameters };
    outputs[`m${i}`] = { kernel, reference: after.first, initial: state.first };
    outputs[`v${i}`] = { kernel, reference: after.second, initial: state.second };
    if (copy) {
      outputs[`copy${i}`] = { kernel, reference: after.parameters, ...storage(copy).output };
    }
  });
  const params = adamwParams(settings, step, maxNorm);
  return {
    inputs,
    outputs,
    dispatch: (ops, { partial, summary, ...t }) => {
      let chunks = 0;
      counts.forEach((count, i) => {
        ops.adamw.square({ dw: t[`dw${i}`], partial }, count, chunks, params);
        chunks += squareChunks(count);
      });
      ops.adamw.total({ partial, summary }, chunks, params);
      counts.forEach((count, i) => {
        const [w, dw, m, v] = ["w", "dw", "m", "v"].map((name) => t[`${name}${i}`]);
        const [tensors, copy] = [{ w, dw, m, v, summary }, t[`copy${i}`]];
        if (copy) new Round(ops.kernels).update({ ...tensors, copy }, count, params);
        else ops.adamw.update(tensors, count, params);
      });
    },
  };
}
