import { describe, expect, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { adamw, adamwParams, round } from "../../beyond/oracle/cases/adamw.ts";
import { runCase } from "../../beyond/oracle/run-case.ts";
import { DTYPES, hasHalves } from "../../beyond/storage/precision.ts";
import optimizer from "../golden/optimizer.json";
import { expectCase, foldedOps, testCases, testGpu } from "../kernels.ts";
import { expectClose } from "../oracle/compare.ts";

const gpu = await testGpu();
const ops = makeOps(gpu, 16);

describe("against the oracle", () => {
  // A chunk of squares is 1,024 elements.
  for (const counts of [[1], [1023], [1024, 1025], [3000, 5, 2048]]) {
    const cases = [0, 0.5, 1e6].map((maxNorm) => adamw(counts, maxNorm));
    testCases(`${counts} elements`, gpu, ops, [...cases, adamw(counts, 0, { step: 1 })]);
  }
  test("with its grid folded", () => expectCase(gpu, foldedOps(gpu, 16), adamw([3000, 70_000], 1)));
  for (const copy of DTYPES) {
    const why = copy === "f32" || hasHalves(gpu) ? "" : `, skipped: ${gpu.found.name} has no f16`;
    test.skipIf(why !== "")(`with a copy in ${copy}${why}`, async () => {
      await expectCase(gpu, ops, round(70_001, copy));
      for (const counts of [[1], [3000, 77]])
        await expectCase(gpu, ops, adamw(counts, 1, { copy }));
      await expectCase(gpu, foldedOps(gpu, 16), adamw([70_000], 1, { copy }));
    });
  }
});

test("four steps with clipping equal PyTorch's", async () => {
  const { lr, betas, eps, weight_decay } = optimizer.settings;
  const [beta1, beta2] = betas;
  const settings = { learningRate: lr, beta1, beta2, epsilon: eps, weightDecay: weight_decay };
  const make = (name: string, length: number) => gpu.allocate("buffers", name, length);
  const partial = make("partial", 2 * optimizer.parameters.length);
  const summary = make("summary", 2);
  const ranges = optimizer.parameters.map((values) => {
    const [w, dw, m, v] = ["w", "dw", "m", "v"].map((name) => make(name, values.length));
    gpu.upload(w, Float32Array.from(values));
    for (const moment of [m, v]) gpu.upload(moment, new Float32Array(values.length));
    return { w, dw, m, v };
  });
  for (const [i, { gradients, norm, parameters }] of optimizer.steps.entries()) {
    const params = adamwParams(settings, i + 1, optimizer.maxNorm);
    ranges.forEach(({ dw }, r) => {
      gpu.upload(dw, Float32Array.from(gradients[r]));
      ops.adamw.square({ dw, partial }, dw.length, r, params);
    });
    ops.adamw.total({ partial, summary }, ranges.length, params);
    for (const range of ranges) ops.adamw.update({ ...range, summary }, range.w.length, params);
    const total = await gpu.read(summary, new Float32Array(1));
    expectClose(total, [norm], { relative: 1e-6 });
    for (const [r, { w }] of ranges.entries()) {
      const actual = await gpu.read(w, new Float32Array(w.length));
      expectClose(actual, parameters[r], { relative: 1e-6, name: `step ${i + 1}` });
    }
  }
});

describe("a gradient that is not finite sets the flag and changes nothing", () => {
  const counts = [1500, 40];
  const places = { first: ["dw0", 0], "in the second chunk": ["dw0", 1499], last: ["dw1", 39] };
  const bad = { NaN: Number.NaN, infinity: Infinity, "minus infinity": -Infinity, "1e30": 1e30 };
  for (const [what, value] of Object.entries(bad)) {
    for (const [where, [name, at]] of Object.entries(places)) {
      // 1e30 is finite, but its square is not: no norm to clip by.
      test(`${what}, ${where}`, async () => {
        const kernelCase = adamw(counts, 1);
        kernelCase.inputs[name] = kernelCase.inputs[name].slice();
        kernelCase.inputs[name][at as number] = value;
        for (const output of Object.values(kernelCase.outputs)) {
          if (output.initial) output.reference = output.initial as Float64Array;
        }
        const results = await runCase(gpu, ops, kernelCase);
        const unchanged = results.filter(({ kernel }) => kernel === "adamw.update");
        expect(unchanged.map(({ error }) => error)).toEqual(unchanged.map(() => 0));
      });
    }
  }

  test("the flag is 1, and 0 for a finite gradient", async () => {
    const flags: number[] = [];
    for (const value of [1, Number.NaN, -Infinity, 1e20, 2]) {
      const [dw, partial, summary] = [4, 2, 2].map((n) => gpu.allocate("buffers", "flag", n));
      gpu.upload(dw, Float32Array.of(1, value, 0, -1));
      const params = adamwParams(
        { learningRate: 1, beta1: 0.9, beta2: 0.9, epsilon: 1, weightDecay: 0 },
        1,
        1,
      );
      ops.adamw.square({ dw, partial }, 4, 0, params);
      ops.adamw.total({ partial, summary }, 1, params);
      flags.push((await gpu.read(summary, new Uint32Array(2)))[1]);
    }
    expect(flags).toEqual([0, 1, 1, 1, 0]);
  });
});
