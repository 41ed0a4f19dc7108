import type { ElementBytes, Tensor } from "../../lib/gpu/memory.ts";
import { allocateKeyChunks } from "../../lib/model/ops/attention.ts";
import { softmaxLength } from "../../lib/model/ops/heads.ts";
import type { Ops } from "../../lib/model/ops.ts";
import {
  type AttentionChoice,
  type AttentionShape,
  attentionChoices,
  attentionKey,
  formatAttention,
} from "../kernels/attention-choice.ts";
import { gradientFactors } from "../kernels/attention-family.ts";
import { makeOps } from "../kernels/ops.ts";
import { attentionDifferences } from "../oracle/attention-layouts.ts";
import { attention } from "../oracle/cases/attention.ts";
import { packedHeads } from "../oracle/cases/small.ts";
import { runCase } from "../oracle/run-case.ts";
import type { SystemGpu } from "../platform/gpu.ts";
import { elementBytes } from "../storage/precision.ts";
import { fastestWay } from "./choose.ts";
import { bestSeconds } from "./measure.ts";

/** What is timed: a step of decoding, and a micro-batch there and back. */
export const ATTENTION_WORK = ["decoding", "forward", "backward"] as const;

/** How long each way to compute attention takes, and what was chosen. */
export interface TunedAttention {
  shape: AttentionShape;
  /** Seconds of each of `ATTENTION_WORK`; without a way that failed its checks. */
  times: [AttentionChoice, number[]][];
  choice: AttentionChoice;
}

/**
 * Times the ways to compute attention of a shape, and chooses one for all it is used for: two ways may
 * differ in bits. One that gives wrong results, or other bits in decoding than in learning, is left out and
 * told to `reject`.
 * @param seconds after which no further way is tried
 */
export async function searchAttention(
  gpu: SystemGpu,
  shape: AttentionShape,
  reject: (text: string) => void,
  { seconds = Number.POSITIVE_INFINITY, ways = waysFor(gpu, shape) } = {},
): Promise<TunedAttention> {
  const { attention, attentionMemory } = gpu.variants;
  const builtIn = { attention, attentionMemory };
  const began = performance.now();
  const others = ways.filter((way) => formatAttention(way) !== formatAttention(builtIn));
  const times: TunedAttention["times"] = [];
  for (const choice of [builtIn, ...others]) {
    if (performance.now() - began > 1000 * seconds) break;
    let problem: string | null = null;
    const complaint = await gpu.attempt(async () => {
      const ops = makeOps(gpu, shape.headDim, choice);
      problem = await mistake(gpu, ops, shape);
      if (problem === null) times.push([choice, await secondsOf(gpu, ops, shape)]);
    });
    problem = complaint ?? problem;
    if (problem) {
      reject(`${attentionKey(shape)}, ${formatAttention(choice)}: ${problem}; it is left out`);
    }
  }
  return { shape, times, choice: times.length > 0 ? fastestWay(times) : builtIn };
}

const waysFor = ({ device, variants }: SystemGpu, { headDim, dtype }: AttentionShape) =>
  attentionChoices(
    headDim,
    device.limits.maxComputeWorkgroupStorageSize,
    dtype === "f16" ? variants.subgroupMatrix : null,
  );

async function mistake(
  gpu: SystemGpu,
  ops: Ops,
  { headDim, dtype }: AttentionShape,
): Promise<string | null> {
  const factors = gradientFactors(ops.attention, dtype);
  for (const check of attention(packedHeads(headDim), { dtype, factors })) {
    for (const { kernel, error, tolerance, norm } of await runCase(gpu, ops, check)) {
      if (!(error <= tolerance)) return `${kernel} errs by ${(error / norm).toExponential(1)}`;
    }
  }
  const shares = await attentionDifferences(gpu, headDim, ops, ops, dtype);
  return Math.max(...Object.values(shares)) > 0
    ? "its bits in decoding are not those of learning"
    : null;
}

/** A prompt and its completions: all tokens packed in learning, the last of each in decoding. */
async function secondsOf(gpu: SystemGpu, ops: Ops, shape: AttentionShape): Promise<number[]> {
  const [completions, length] = gpu.isSoftware ? [8, 16] : [8, 112];
  const tokens = length * (completions + 1);
  const made: Tensor[] = [];
  const make = (name: string, width: number, bytes?: ElementBytes) => {
    made.push(gpu.allocate("buffers", name, tokens * width, bytes));
    return made[made.length - 1];
  };
  const { heads, kvHeads, headDim, dtype } = shape;
  const stored = elementBytes(dtype);
  const [q, o] = ["q", "o"].map((name) => make(name, heads * headDim, stored));
  const [k, v] = ["k", "v"].map((name) => make(name, kvHeads * headDim, stored));
  const [d_o, dq] = ["do", "dq"].map((name) => make(name, heads * headDim));
  const [dk, dv] = ["dk", "dv"].map((name) => make(name, kvHeads * headDim));
  const lse = make("lse", heads);
  const softmax = gpu.allocate("buffers", "softmax", softmaxLength(tokens, heads));
  made.push(softmax);
  const [spans, last_query, ends] = [make("spans", 4), make("last", 2), make("ends", 4)];
  const moved = make("moved", 1); // zeros
  const packed = new Uint32Array(4 * tokens);
  // one past the last query, and the position, which nothing without a window reads
  const seenUntil = new Uint32Array(2 * tokens).fill(tokens, 0, 2 * length);
  for (let t = 0; t < tokens; t++) {
    const first = t - (t % length);
    packed.set(t < length ? [0, 0, 0, t + 1] : [0, length, first, t + 1], 4 * t);
    if (t >= length) seenUntil[2 * t] = first + length;
  }
  gpu.upload(spans, packed);
  gpu.upload(last_query, seenUntil);
  const lasts = Array.from({ length: completions }, (_, i) => (i + 2) * length - 1);
  gpu.upload(ends, Uint32Array.from(lasts.flatMap((t) => [...packed.subarray(4 * t, 4 * t + 4)])));
  const { splitQueries } = gpu.variants;
  const keyChunks = allocateKeyChunks(gpu, shape, completions, 2 * length, splitQueries);
  if (keyChunks) made.push(keyChunks.partials);
  const work: Record<(typeof ATTENTION_WORK)[number], () => void> = {
    decoding: () =>
      ops.attention.forward({ spans: ends, moved, q, k, v, o, lse }, completions, shape, {
        isDecoding: true,
        keyChunks,
      }),
    forward: () => ops.attention.forward({ spans, moved, q, k, v, o, lse }, tokens, shape),
    backward: () => {
      const tensors = { spans, moved, last_query, q, k, v, o, lse, d_o, softmax, dq, dk, dv };
      ops.attention.backward(tensors, tokens, shape);
    },
  };
  const timing = gpu.isSoftware ? { tries: 3, seconds: 0.02 } : { tries: 2, seconds: 0.001 };
  const seconds: number[] = [];
  try {
    for (const name of ATTENTION_WORK) {
      seconds.push(await bestSeconds(gpu, name === "backward" ? dv : o, work[name], timing));
    }
  } finally {
    gpu.free(made);
  }
  return seconds;
}
