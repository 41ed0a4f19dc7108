import { describe, expect, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { adamw8 } from "../../beyond/oracle/cases/adamw8.ts";
import { runCase } from "../../beyond/oracle/run-case.ts";
import { expectCase, foldedOps, testCases, testGpu } from "../kernels.ts";

const gpu = await testGpu();

describe("AdamW with moments of 8 bits, against the oracle", () => {
  // A block is 256 elements, a word of codes 4, a workgroup 16 blocks.
  for (const lanes of [1, 8]) {
    const ops = makeOps(gpu, 16, { lanes });
    for (const count of [1, 6, 256, 1021, 4100]) {
      const cases = [0, 0.5].map((maxNorm) => adamw8(count, maxNorm));
      const first = adamw8(count, 0, { step: 1, zeroed: true });
      testCases(`${count} elements, ${lanes} lanes a block`, gpu, ops, [...cases, first]);
    }
  }
  test("with its grid folded", () => expectCase(gpu, foldedOps(gpu, 16), adamw8(9000, 1)));
});

test("a gradient that is not finite changes nothing", async () => {
  const kernelCase = adamw8(700, 1);
  kernelCase.inputs.summary = Uint32Array.of(0, 1);
  for (const output of Object.values(kernelCase.outputs)) {
    output.reference = output.initial as Float64Array;
  }
  const results = await runCase(gpu, makeOps(gpu, 16), kernelCase);
  expect(results.map(({ error }) => error)).toEqual([0, 0, 0, 0]);
});
