import { describe, expect, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { attention, rope, type SpanCase } from "../../beyond/oracle/cases/attention.ts";
import { headNorm, rmsnorm, swiglu } from "../../beyond/oracle/cases/layer.ts";
import { linearAdd, linearBackward, linearForward } from "../../beyond/oracle/cases/matrix.ts";
import { runCase } from "../../beyond/oracle/run-case.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import { FROZEN_FORMATS } from "../../beyond/storage/weight-formats.ts";
import { testCases, testGpu } from "../kernels.ts";
import { packGroups } from "../oracle/packing.ts";

// Kernels whose activations are stored in f16: what is read is exact, so that an output in f32 is as
// near to its oracle as ever, and one in f16 as near as its 11 bits allow.
const gpu = await testGpu();

const why = hasHalves(gpu) ? "" : `, skipped: ${gpu.found.name} has no shader-f16`;

describe.skipIf(!hasHalves(gpu))(`activations in f16${why}`, () => {
  const ops = makeOps(gpu, 16);
  const both = { x: "f16", y: "f16" } as const;
  const products = [
    { T: 1, K: 4, N: 1 },
    { T: 5, K: 8, N: 3 },
    { T: 33, K: 68, N: 67 },
    { T: 3, K: 20, N: 9, yStride: 24 },
    { T: 34, K: 12, N: 71, blockRows: 64, yStride: 80 },
  ];
  for (const shape of products) {
    testCases(`linear ${JSON.stringify(shape).replace(/"/g, "")}`, gpu, ops, [
      linearForward({ ...shape, ...both }),
      linearForward({ ...shape, x: "f16" }),
      linearForward({ ...shape, y: "f16" }),
      linearForward({ ...shape, ...both }, "bias"),
      linearForward({ ...shape, x: "f16" }, "residual"),
      linearBackward({ ...shape, x: "f16" }),
    ]);
  }
  for (const format of FROZEN_FORMATS) {
    const shape = { T: 5, K: 96, N: 21, blockRows: 8, format };
    testCases(`linear, weights in ${format}`, gpu, ops, [
      linearForward({ ...shape, ...both }),
      linearForward({ ...shape, ...both }, "bias"),
      linearForward({ ...shape, x: "f16" }, "residual"),
    ]);
  }
  testCases("linear, added", gpu, ops, [
    linearAdd({ T: 1, K: 4, N: 4, y: "f16" }, 4, 0),
    linearAdd({ T: 35, K: 16, N: 72, ...both }, 200, 64),
  ]);

  for (const lanes of [1, 64]) {
    const shared = makeOps(gpu, 16, { lanes });
    testCases(`rmsnorm, rows shared by ${lanes}`, gpu, shared, [
      ...rmsnorm({ T: 5, d: 12 }, "f16"),
      ...rmsnorm({ T: 67, d: 132 }, "f16"),
      ...headNorm({ T: 5, d: 12 }, { heads: 3, stride: 52, first: 8 }, "f16"),
      ...headNorm({ T: 67, d: 64 }, { heads: 4, stride: 256, first: 0 }, "f16"),
    ]);
  }

  const packed = packGroups([
    { prompt: new Array(11).fill(0), completions: [1, 20, 7].map((n) => new Array(n).fill(0)) },
    { prompt: [0], completions: [3, 5].map((n) => new Array(n).fill(0)) },
  ]);
  const group = { spans: packed.spans, lastQuery: packed.lastQuery, rows: packed.tokens.length };
  const cache = { spans: Uint32Array.of(0, 17, 40, 41, 0, 17, 42, 49), rows: 50 };
  for (const heads of [
    { heads: 6, kvHeads: 3, headDim: 4 },
    { heads: 3, kvHeads: 1, headDim: 24 },
  ]) {
    const shaped = makeOps(gpu, heads.headDim);
    const over = (spans: Omit<SpanCase, keyof typeof heads>) => [
      ...rope({ ...spans, ...heads }, "f16"),
      ...attention({ ...spans, ...heads }, { dtype: "f16" }),
    ];
    const cases = [...over(group), ...over(cache)];
    testCases(`rope and attention, heads of ${heads.headDim}`, gpu, shaped, cases);
  }
  testCases("scores of a hundred and more", gpu, ops, [
    ...attention({ ...group, heads: 4, kvHeads: 2, headDim: 16 }, { scale: 40, dtype: "f16" }),
  ]);
  testCases("swiglu", gpu, ops, [
    ...swiglu({ T: 1, ff: 4 }, { dtype: "f16" }),
    ...swiglu({ T: 67, ff: 68 }, { dtype: "f16" }),
    ...swiglu({ T: 3, ff: 20 }, { scale: 100, dtype: "f16" }),
  ]);

  test("a tensor of halves is refused where the shader knows f32 alone", () => {
    const halves = (name: string) => gpu.allocate("buffers", name, 64, 2);
    const run = () =>
      ops.swiglu.backward(
        { gate_up: halves("gate_up"), da: halves("da"), d_gate_up: halves("d_gate_up") },
        1,
        4,
      );
    expect(run).toThrow('"da" has elements of 2 bytes');
  });

  test("what is not written, or written past the end, is found", async () => {
    const [forward] = swiglu({ T: 5, ff: 12 }, { dtype: "f16" });
    const run = async (T: number) => {
      const dispatch: typeof forward.dispatch = (ops, { gate_up, a }) =>
        ops.swiglu.forward({ gate_up, a }, T, 12);
      const [{ error, worst }] = await runCase(gpu, ops, { ...forward, dispatch });
      return [error, worst.replace(/, reference.*/, "")];
    };
    expect(await run(4)).toEqual([Number.NaN, "[48] of 60 is NaN"]);
    expect(await run(6)).toEqual([Number.NaN, "[60] of 60 was written"]);
  });
});
