import { describe, expect, test } from "bun:test";
import { adamwStep, clipFactor, globalNorm } from "../../beyond/oracle/adamw.ts";
import { attentionBackward, attentionForward } from "../../beyond/oracle/attention.ts";
import { gatherBackward, gatherForward } from "../../beyond/oracle/gather.ts";
import { logprobBackward, logprobForward } from "../../beyond/oracle/logprob.ts";
import { loraBackward, loraForward } from "../../beyond/oracle/lora.ts";
import {
  matmulBackwardInput,
  matmulBackwardWeight,
  matmulForward,
} from "../../beyond/oracle/matmul.ts";
import { Random } from "../../beyond/oracle/random.ts";
import {
  rmsnormBackwardInput,
  rmsnormBackwardWeight,
  rmsnormForward,
} from "../../beyond/oracle/rmsnorm.ts";
import { ropeBackward, ropeForward } from "../../beyond/oracle/rope.ts";
import { swigluBackward, swigluForward } from "../../beyond/oracle/swiglu.ts";
import { dot, expectClose, finiteDifferences } from "./compare.ts";
import { packGroups } from "./packing.ts";

/** Central differences in float64 are good to about 1e-9. */
const exact = { relative: 1e-8 };

/** Two groups with ragged completions: 17 tokens, a one-token completion, a one-token prompt. */
const { spans, tokens } = packGroups([
  {
    prompt: [1, 2, 3, 4],
    completions: [[5, 6, 7], [8], [9, 10, 2, 3]],
  },
  {
    prompt: [3],
    completions: [
      [1, 2],
      [4, 4],
    ],
  },
]);
const T = tokens.length;

describe("matmul", () => {
  const shape = { T: 3, K: 5, N: 7 };
  const random = new Random(1);
  const x = random.normal(15);
  const weight = random.normal(35);
  const residual = random.normal(21);
  const dy = random.normal(21);
  const loss = () => dot(dy, matmulForward(x, weight, shape, residual));

  test("forward by hand: y = x W^T + residual", () => {
    const y = matmulForward(
      Float64Array.of(1, 2),
      Float64Array.of(3, 4, 5, 6),
      { T: 1, K: 2, N: 2 },
      Float64Array.of(100, 200),
    );
    expect([...y]).toEqual([111, 217]);
  });

  test("backward is the finite difference", () => {
    expectClose(matmulBackwardInput(dy, weight, shape), finiteDifferences(loss, x), exact);
    expectClose(matmulBackwardWeight(dy, x, shape), finiteDifferences(loss, weight), exact);
    expectClose(dy, finiteDifferences(loss, residual), exact);
  });

  test("backward accumulates into an initial gradient and leaves it as it was", () => {
    const initial = random.normal(35);
    const copy = initial.slice();
    const gradient = matmulBackwardWeight(dy, x, shape);
    const accumulated = matmulBackwardWeight(dy, x, shape, initial);
    expectClose(
      accumulated,
      Float64Array.from(gradient, (g, i) => g + copy[i]),
      exact,
    );
    expect(initial).toEqual(copy);
  });
});

describe("LoRA", () => {
  test("by hand: rank 1, y = (W + scale b a) x", () => {
    const weights = {
      weight: Float64Array.of(3, 4, 5, 6),
      a: Float64Array.of(1, -1),
      b: Float64Array.of(10, 20),
    };
    const shape = { T: 1, K: 2, N: 2, rank: 1, scale: 0.5 };
    // W x = (11, 17), a x = -1
    expect([...loraForward(Float64Array.of(1, 2), weights, shape)]).toEqual([6, 7]);
  });

  const shapes = [
    { T: 1, K: 5, N: 7, rank: 1, scale: 2 },
    { T: 3, K: 4, N: 6, rank: 3, scale: 0.75 },
    { T: 4, K: 3, N: 2, rank: 5, scale: 1 },
  ];
  test.each(shapes)("backward is the finite difference: %p", (shape) => {
    const { T, K, N, rank } = shape;
    const random = new Random(16, rank);
    const [x, weight, a, b, dy] = [T * K, N * K, rank * K, N * rank, T * N].map((n) =>
      random.normal(n),
    );
    const loss = () => dot(dy, loraForward(x, { weight, a, b }, shape));
    const { dx, da, db } = loraBackward(dy, x, { weight, a, b }, shape);
    expectClose(dx, finiteDifferences(loss, x), { ...exact, name: "dx" });
    expectClose(da, finiteDifferences(loss, a), { ...exact, name: "dA" });
    expectClose(db, finiteDifferences(loss, b), { ...exact, name: "dB" });
  });
});

describe("rmsnorm", () => {
  const shape = { T: 5, d: 7 };
  const random = new Random(2);
  const x = random.normal(35);
  const weight = random.normal(7, 0.3, 1);
  const dy = random.normal(35);
  // A large eps, so that forgetting it in the backward pass shows.
  const eps = 0.1;
  const loss = () => dot(dy, rmsnormForward(x, weight, eps, shape));

  test("forward by hand: (3, 4) has mean square 12.5", () => {
    const ones = Float64Array.of(1, 1);
    const y = rmsnormForward(Float64Array.of(3, 4), ones, 0, { T: 1, d: 2 });
    expectClose(y, Float64Array.of(3 / Math.sqrt(12.5), 4 / Math.sqrt(12.5)), exact);
  });

  test("backward is the finite difference", () => {
    const residual = random.normal(35);
    const both = () => loss() + dot(residual, x);
    const dx = rmsnormBackwardInput(dy, x, weight, eps, shape, residual);
    expectClose(dx, finiteDifferences(both, x), exact);
    const dWeight = rmsnormBackwardWeight(dy, x, eps, shape);
    expectClose(dWeight, finiteDifferences(loss, weight), exact);
  });
});

describe("rope and attention", () => {
  const shape = { T, heads: 6, kvHeads: 3, headDim: 4, theta: 100 };
  const random = new Random(3);
  const qkv = random.normal(T * 12 * 4);
  const dOut = random.normal(T * 6 * 4);

  test("rope splits, rotates by hand, and writes each token's own row", () => {
    // Position 1, headDim 2: a rotation by one radian.
    const qkvRow = Float64Array.of(1, 0, 0, 1, 7, 8);
    const one = { T: 1, heads: 1, kvHeads: 1, headDim: 2, theta: 10000 };
    const cache = { k: new Float64Array(6), v: new Float64Array(6) };
    const { q, k, v } = ropeForward(qkvRow, Uint32Array.of(0, 1, 2, 3), one, cache);
    const [cos, sin] = [Math.cos(1), Math.sin(1)];
    expectClose(q, Float64Array.of(cos, sin), exact);
    expectClose(k, Float64Array.of(0, 0, 0, 0, -sin, cos), exact);
    expect([...v]).toEqual([0, 0, 0, 0, 7, 8]);
    expect([...cache.k]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test("rope backward is the finite difference", () => {
    const dq = random.normal(T * 24);
    const dk = random.normal(T * 12);
    const dv = random.normal(T * 12);
    const loss = () => {
      const { q, k, v } = ropeForward(qkv, spans, shape);
      return dot(dq, q) + dot(dk, k) + dot(dv, v);
    };
    const dqkv = ropeBackward({ q: dq, k: dk, v: dv }, spans, shape);
    expectClose(dqkv, finiteDifferences(loss, qkv), exact);
  });

  test("attention by hand: two keys with scores 0 and ln 3", () => {
    const one = { T: 1, heads: 1, kvHeads: 1, headDim: 1 };
    const keyValue = {
      q: Float64Array.of(1),
      k: Float64Array.of(0, Number.NaN, Math.log(3)),
      v: Float64Array.of(4, Number.NaN, 8),
    };
    const { o, lse } = attentionForward(keyValue, Uint32Array.of(0, 1, 2, 3), one);
    expectClose(o, Float64Array.of(7), exact);
    expectClose(lse, Float64Array.of(Math.log(4)), exact);
  });

  test("a prefix-shared pack equals each completion after its own prompt", () => {
    const small = { T: 8, heads: 2, kvHeads: 1, headDim: 4, theta: 100 };
    const group = {
      prompt: [1, 2, 3],
      completions: [
        [4, 5, 6],
        [7, 8],
      ],
    };
    const rows = random.normal(8 * 16);
    const shared = packGroups([group]);
    const o = attentionForward(ropeForward(rows, shared.spans, small), shared.spans, small).o;
    // The second completion alone: packed rows 0..2 and 6..7.
    const alone = packGroups([{ prompt: [1, 2, 3], completions: [[7, 8]] }]);
    const picked = [0, 1, 2, 6, 7];
    const aloneRows = gatherForward(rows, Uint32Array.from(picked), 16);
    const five = { ...small, T: 5 };
    const plain = Uint32Array.from(picked.flatMap((_, t) => [0, 0, 0, t + 1]));
    for (const layout of [alone.spans, plain]) {
      const aloneOut = attentionForward(ropeForward(aloneRows, layout, five), layout, five).o;
      expectClose(aloneOut, gatherForward(o, Uint32Array.from(picked), 8), { relative: 1e-14 });
    }
  });

  test("attention backward is the finite difference", () => {
    const heads = ropeForward(qkv, spans, shape);
    const loss = () => dot(dOut, attentionForward(heads, spans, shape).o);
    const saved = attentionForward(heads, spans, shape);
    const gradient = attentionBackward(dOut, heads, saved, spans, shape);
    expectClose(gradient.q, finiteDifferences(loss, heads.q), { ...exact, name: "dq" });
    expectClose(gradient.k, finiteDifferences(loss, heads.k), { ...exact, name: "dk" });
    expectClose(gradient.v, finiteDifferences(loss, heads.v), { ...exact, name: "dv" });
  });
});

test("swiglu forward by hand, backward is the finite difference", () => {
  const shape = { T: 3, ff: 5 };
  const random = new Random(4);
  const gateUp = random.normal(30, 2);
  const da = random.normal(15);
  const loss = () => dot(da, swigluForward(gateUp, shape));
  expectClose(swigluBackward(da, gateUp, shape), finiteDifferences(loss, gateUp), exact);
  const byHand = swigluForward(Float64Array.of(Math.log(3), 2), { T: 1, ff: 1 });
  expectClose(byHand, Float64Array.of(Math.log(3) * 0.75 * 2), exact);
});

test("gather backward is the finite difference, repeated and unused rows included", () => {
  const random = new Random(5);
  const table = random.normal(6 * 3);
  const index = Uint32Array.of(4, 0, 4, 4, 1);
  const dOut = random.normal(5 * 3);
  const initial = random.normal(6 * 3);
  const loss = () => dot(dOut, gatherForward(table, index, 3)) + dot(initial, table);
  const dTable = gatherBackward(dOut, index, 3, initial);
  expectClose(dTable, finiteDifferences(loss, table), exact);
});

describe("logprob", () => {
  test("by hand: p = (1/4, 3/4) at temperature 2", () => {
    const logits = Float64Array.of(0, 2 * Math.log(3));
    const { logprobs, entropies, lse } = logprobForward(logits, Uint32Array.of(1), 2);
    expectClose(logprobs, Float64Array.of(Math.log(0.75)), exact);
    expectClose(lse, Float64Array.of(Math.log(4)), exact);
    const entropy = -0.25 * Math.log(0.25) - 0.75 * Math.log(0.75);
    expectClose(entropies, Float64Array.of(entropy), exact);
  });

  test("logits in the thousands do not overflow; a certain token has entropy 0", () => {
    const logits = Float64Array.of(5000, -5000, 0);
    const { logprobs, entropies } = logprobForward(logits, Uint32Array.of(1), 1);
    expect([logprobs[0], entropies[0]]).toEqual([-10000, 0]);
  });

  test("backward is the finite difference", () => {
    const random = new Random(6);
    const logits = random.normal(4 * 11, 2);
    const targets = random.integers(4, 11);
    const dLogprobs = random.normal(4);
    const loss = () => dot(dLogprobs, logprobForward(logits, targets, 0.7).logprobs);
    const dLogits = logprobBackward(dLogprobs, logits, targets, 0.7);
    expectClose(dLogits, finiteDifferences(loss, logits), exact);
  });
});

describe("adamw", () => {
  const settings = {
    learningRate: 0.1,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0.01,
  };

  test("by hand: the first step moves by lr against the sign of the gradient, then decay", () => {
    const start = Float64Array.of(1, -2);
    const zero = new Float64Array(2);
    const state = { parameters: start, first: zero, second: zero };
    const { parameters } = adamwStep(state, Float64Array.of(3, -0.5), 1, settings);
    expectClose(parameters, Float64Array.of(0.999 - 0.1, -1.998 + 0.1), { relative: 1e-7 });
  });

  test("clipping: a gradient of norm 5", () => {
    const gradientNorm = globalNorm([Float64Array.of(3), Float64Array.of(0, -4)]);
    expect(gradientNorm).toBe(5);
    expect(clipFactor(5, 10)).toBe(1);
    expect(clipFactor(5, 1)).toBeCloseTo(0.2, 6);
  });
});
