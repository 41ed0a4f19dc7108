import { expect, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { patienceOn, type Variants } from "../../beyond/kernels/variants.ts";
import { attention } from "../../beyond/oracle/cases/attention.ts";
import type { KernelCase } from "../../beyond/oracle/cases/case.ts";
import { manyRows, packedHeads } from "../../beyond/oracle/cases/small.ts";
import { runCase } from "../../beyond/oracle/run-case.ts";
import { noting } from "../../beyond/oracle/self-test.ts";
import { testGpu } from "../kernels.ts";

const gpu = await testGpu();
const HEAD_DIM = 16;
// no other adapter has patience, and LLVM takes a minute over these kernels
const onSwiftShader = test.skipIf(patienceOn(gpu.found.name) === undefined);
const tiles = { ...gpu.variants.tiles, plain: "4x8 4x8 4x8 16x16 16x16" };

/** What the cases dispatch, one after the other on the same ops, and by how much each output errs. */
async function run(cases: KernelCase[], given: Partial<Variants>) {
  const kernels = new Set<string>();
  const variants = { matmul: "plain", tiles, plainQueries: 0, ...given } as const;
  const ops = makeOps(noting(gpu, kernels), HEAD_DIM, variants);
  const errors: unknown[] = [];
  for (const kernelCase of cases) {
    for (const { output, error } of await runCase(gpu, ops, kernelCase))
      errors.push([output, error]);
  }
  return {
    kernels: [...kernels].filter((name) => /^(matmul|attention)/.test(name)).sort(),
    errors,
  };
}

const until = (products: number, queries = products) => ({ patience: { products, queries } });
const [product] = manyRows();

onSwiftShader(
  "small tiles multiply until the largest is worth its compiling, with the same bits",
  async () => {
    const atOnce = await run([product], {});
    expect(atOnce.kernels).toEqual(["matmul-16x16.forward"]);
    const never = await run([product], until(Infinity));
    expect(never.kernels).toEqual(["matmul-4x8.forward"]);
    expect(never.errors).toEqual(atOnce.errors);
    const after = await run([product, product], until(1));
    expect(after.kernels).toEqual(["matmul-16x16.forward", "matmul-4x8.forward"]);
  },
);

onSwiftShader("a lane has one query until more are worth it, with the same bits", async () => {
  const cases = attention(packedHeads(HEAD_DIM));
  const atOnce = await run(cases, {});
  expect(atOnce.kernels).toContain("attention-subgroup.backward_query");
  const never = await run(cases, until(Infinity));
  expect(never.kernels).not.toContain("attention-subgroup.backward_query");
  expect(never.kernels).toContain("attention-subgroup-1.backward_key");
  expect(never.kernels).toContain("attention.forward");
  expect(never.errors).toEqual(atOnce.errors);
  const after = await run([...cases, ...cases], until(1));
  expect(after.kernels).toContain("attention-subgroup.forward");
  expect(after.errors.slice(atOnce.errors.length)).toEqual(atOnce.errors);
});
