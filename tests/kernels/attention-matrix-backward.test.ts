import { describe, expect, test } from "bun:test";
import { gradientFactors } from "../../beyond/kernels/attention-family.ts";
import { attention, type SpanCase } from "../../beyond/oracle/cases/attention.ts";
import type { KernelCase } from "../../beyond/oracle/cases/case.ts";
import { packedHeads } from "../../beyond/oracle/cases/small.ts";
import { norm } from "../../beyond/oracle/compare.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import type { Ops } from "../../lib/model/ops.ts";
import { expectCase, testGpu } from "../kernels.ts";
import { packGroups } from "../oracle/packing.ts";
import { emulatingOps } from "./subgroup-matrix.ts";

// The gradients of attention by subgroup matrices: emulated, where an adapter has f16. That Dawn compiles the
// shader itself is in ops-attention-matrix.test.ts.
const gpu = await testGpu();
const sizes = {
  nvidia: { M: 16, N: 16, K: 16, shallow: false },
  apple: { M: 8, N: 8, K: 8, shallow: true },
};
const emulated = (headDim: number, size: keyof typeof sizes = "nvidia") =>
  emulatingOps(gpu, headDim, { attention: "matrix", subgroupMatrix: sizes[size] });

type Lengths = { prompt: number; completions: number[] };
function pack(...groups: Lengths[]) {
  const zeros = (length: number) => new Array(length).fill(0);
  const { spans, lastQuery, tokens } = packGroups(
    groups.map(({ prompt, completions }) => ({
      prompt: zeros(prompt),
      completions: completions.map(zeros),
    })),
  );
  return { spans, lastQuery, rows: tokens.length };
}
/** Tiles lie across the ends of prompts and completions. */
const short = pack({ prompt: 11, completions: [1, 17] }, { prompt: 1, completions: [3, 5] });
/** More tokens than one workgroup looks at for the largest gradient. */
const long = pack({ prompt: 130, completions: [9] });
const one = { spans: Uint32Array.of(0, 0, 0, 1), lastQuery: Uint32Array.of(1), rows: 1 };

const rounded = { dtype: "f16", factors: "f16" } as const;
const backward = (spans: SpanCase, scale = 1) => attention(spans, { ...rounded, scale })[1];

describe.skipIf(!hasHalves(gpu))("emulated", () => {
  const shapes = [
    { heads: 4, kvHeads: 2, headDim: 16, size: "apple" },
    { heads: 36, kvHeads: 2, headDim: 32, size: "apple" }, // more heads than a tile has rows
    { heads: 3, kvHeads: 1, headDim: 64, size: "nvidia" },
    { heads: 2, kvHeads: 2, headDim: 128, size: "nvidia" },
  ] as const;
  for (const { size, ...shape } of shapes) {
    test(`heads of ${shape.headDim}, matrices as ${size} has them`, async () => {
      const ops = emulated(shape.headDim, size);
      await expectCase(gpu, ops, backward({ ...short, ...shape }));
      await expectCase(gpu, ops, backward({ ...one, ...shape }));
    });
  }

  test("more keys and queries than a block, and a softmax that has made up its mind", async () => {
    const shape = { heads: 6, kvHeads: 2, headDim: 64 };
    const ops = emulated(shape.headDim);
    await expectCase(gpu, ops, backward({ ...long, ...shape }));
    await expectCase(gpu, ops, backward({ ...long, ...shape, window: 11 }));
    await expectCase(gpu, ops, backward({ ...short, ...shape }, 40));
    expect(gradientFactors(ops.attention, "f16")).toBe("f16");
  });

  test("the shape of the self-test and of tuning", async () => {
    await expectCase(gpu, emulated(16, "apple"), backward(packedHeads(16)));
  });
});

/** What comes of a case with other numbers in do. */
async function gradients(
  ops: Ops,
  { inputs, outputs, dispatch }: KernelCase,
  d_o: Float64Array,
): Promise<Record<"dq" | "dk" | "dv", Float32Array<ArrayBuffer>>> {
  const made = Object.entries({ ...inputs, d_o }).map(([name, data]) => {
    const tensor = gpu.allocate("buffers", name, data.length, data instanceof Float16Array ? 2 : 4);
    const { buffer, byteOffset, byteLength } =
      data instanceof Float64Array ? Float32Array.from(data) : data;
    gpu.upload(tensor, new Uint32Array(buffer as ArrayBuffer, byteOffset, byteLength / 4));
    return [name, tensor] as const;
  });
  const written = Object.entries(outputs).map(([name, { reference }]) => {
    return [name, gpu.allocate("buffers", name, reference.length)] as const;
  });
  const tensors = Object.fromEntries([...made, ...written]);
  dispatch(ops, tensors);
  const read = async (name: string) => {
    const numbers = new Float32Array(outputs[name].reference.length);
    await gpu.read(tensors[name], numbers);
    return numbers;
  };
  const found = { dq: await read("dq"), dk: await read("dk"), dv: await read("dv") };
  gpu.free(Object.values(tensors));
  return found;
}

describe.skipIf(!hasHalves(gpu))("gradients that f16 has no room for", () => {
  const shape = { heads: 4, kvHeads: 2, headDim: 16 };
  const ops = emulated(shape.headDim, "apple");
  const spans = pack({ prompt: 5, completions: [7, 4] }, { prompt: 3, completions: [9, 2] });
  const kernelCase = backward({ ...spans, ...shape });
  const upstream = kernelCase.inputs.d_o as Float64Array;
  const width = shape.heads * shape.headDim;
  const secondGroup = 16; // its first token

  test("powers of two: the same bits, times the same power", async () => {
    const plain = await gradients(ops, kernelCase, upstream);
    for (const power of [2 ** -90, 2 ** -30, 2 ** 40, 2 ** 90]) {
      const scaled = await gradients(
        ops,
        kernelCase,
        upstream.map((x) => x * power),
      );
      for (const name of ["dq", "dk", "dv"] as const) {
        expect(scaled[name].map((x) => x / power)).toEqual(plain[name]);
      }
    }
  });

  test("tokens whose gradients are small beside others' lose no more than rounding takes", async () => {
    const alone = upstream.map((x, i) => (i < secondGroup * width ? 0 : x));
    const expected = await gradients(ops, kernelCase, alone);
    for (const [power, allowed] of [
      [2 ** -12, 1e-6],
      [2 ** -20, 5e-4],
    ]) {
      const beside = upstream.map((x, i) => (i < secondGroup * width ? x : x * power));
      const found = await gradients(ops, kernelCase, beside);
      for (const name of ["dq", "dk", "dv"] as const) {
        const first = secondGroup * (name === "dq" ? width : width / 2);
        const reference = expected[name].subarray(first);
        const errors = found[name].subarray(first).map((x, i) => x / power - reference[i]);
        expect(norm(errors) / norm(reference)).toBeLessThan(allowed);
      }
    }
  });

  test("rows of zeros have gradients of zero", async () => {
    const first = await gradients(
      ops,
      kernelCase,
      upstream.map((x, i) => (i < secondGroup * width ? x : 0)),
    );
    const none = await gradients(ops, kernelCase, new Float64Array(upstream.length));
    for (const name of ["dq", "dk", "dv"] as const) {
      const start = secondGroup * (name === "dq" ? width : width / 2);
      expect(norm(first[name])).toBeGreaterThan(0);
      expect(norm(first[name].subarray(start))).toBe(0);
      expect(norm(none[name])).toBe(0);
    }
  });

  test("what is not finite comes out so, with its key-value head", async () => {
    const plain = await gradients(ops, kernelCase, upstream);
    const token = 7;
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, -Number.POSITIVE_INFINITY]) {
      const broken = upstream.slice();
      broken[token * width + 3] = value; // of the first head
      const found = await gradients(ops, kernelCase, broken);
      const finite = (name: "dq" | "dk" | "dv", head: number, heads: number) =>
        found[name].filter(
          (x, i) => Math.floor(i / shape.headDim) % heads === head && Number.isFinite(x),
        ).length;
      for (const head of [0, 1]) expect(finite("dq", head, 4)).toBe(0);
      for (const name of ["dk", "dv"] as const) expect(finite(name, 0, 2)).toBe(0);
      const others = (dk: Float32Array<ArrayBuffer>) =>
        dk.filter((_, i) => Math.floor(i / 16) % 2 === 1);
      expect(others(found.dk)).toEqual(others(plain.dk));
      expect(others(found.dv)).toEqual(others(plain.dv));
    }
  });
});
