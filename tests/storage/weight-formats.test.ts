import { describe, expect, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { decodeValues, encodeValues, storedBytes } from "../../beyond/models/dtypes.ts";
import { lora } from "../../beyond/oracle/cases/lora.ts";
import { frozen } from "../../beyond/oracle/cases/matrix.ts";
import { Random } from "../../beyond/oracle/random.ts";
import {
  FROZEN_FORMATS,
  getValues,
  packValues,
  readPacked,
  setValues,
  unpackValues,
  WEIGHT_FORMATS,
  type WeightFormat,
} from "../../beyond/storage/weight-formats.ts";
import { MemoryPlanner } from "../../lib/gpu/memory.ts";
import { SlabLayout, Slabs } from "../../lib/model/slabs.ts";
import { testCases, testGpu } from "../kernels.ts";

const gpu = await testGpu();
const ops = makeOps(gpu, 16);
const random = new Random(31);

/** A file's tensor of these bytes. */
const tensorOf = (dtype: string, shape: number[], bytes: ArrayBuffer, interleaved = 0) =>
  new Map([["w", { dtype, shape, bytes: new Blob([bytes]), source: "m.gguf", interleaved }]]);

describe.each(FROZEN_FORMATS)("%s", (format) => {
  const narrow = format === "f16" ? [{ T: 1, K: 4, N: 1 }] : [];
  const shapes = [
    ...narrow,
    { T: 1, K: 32, N: 1 },
    { T: 3, K: 64, N: 9 },
    { T: 34, K: 96, N: 71, blockRows: 64 }, // an odd number of blocks in a row
    { T: 7, K: 160, N: 21, blockRows: 4 },
  ];
  for (const shape of shapes) {
    const name = JSON.stringify(shape).replace(/"/g, "");
    testCases(`matmul and gather ${name}`, gpu, ops, frozen({ ...shape, format }));
  }

  const adapted = [
    { T: 1, K: 32, N: 4, rank: 4 },
    { T: 35, K: 96, N: 72, rank: 12 },
  ];
  const loras = adapted.map((shape) => lora({ ...shape, format }));
  testCases("an adapter beside a frozen matrix", gpu, ops, loras);

  const [rows, columns] = [12, 96];
  const { dtype } = WEIGHT_FORMATS[format];
  const values = Float32Array.from(random.normal(rows * columns));
  const bytes = encodeValues(values, dtype);
  const packed = packValues(values, format, columns);

  test("what a file has in this type arrives bit for bit, and nothing but padding is added", async () => {
    const words = await readPacked(tensorOf(dtype, [rows, columns], bytes), "w", format);
    expect(words).toEqual(packed);
    expect(words.length).toBe(rows * WEIGHT_FORMATS[format].words(columns));
    const padding = format === "q8_0" ? 2 : 0; // 3 scales of two bytes a row
    expect(words.byteLength).toBe(storedBytes(dtype, values.length) + rows * padding);
    expect(unpackValues(words, format, columns)).toEqual(
      decodeValues(bytes, dtype) as Float32Array<ArrayBuffer>,
    );
  });

  test("rows that GGUF interleaves are put in order", async () => {
    const words = await readPacked(tensorOf(dtype, [rows, columns], bytes, 2), "w", format);
    const rowWords = WEIGHT_FORMATS[format].words(columns);
    const row = (i: number, of: Uint32Array) => of.slice(i * rowWords, (i + 1) * rowWords);
    for (const [i, from] of [0, 2, 4, 1, 3, 5].entries()) {
      expect(row(i, words)).toEqual(row(from, packed));
      expect(row(6 + i, words)).toEqual(row(6 + from, packed));
    }
  });

  test("numbers beyond float16 are refused", async () => {
    const large = Float32Array.from(values, (value, i) => (i === 77 ? 7e4 : value));
    const stored = tensorOf("F32", [rows, columns], encodeValues(large, "F32"));
    await expect(readPacked(stored, "w", format)).rejects.toThrow(/--base-dtype f32/);
  });
});

/** Matrices of several formats, two of them stacked, and a vector. */
class MixedLayout extends SlabLayout {
  constructor(limits: ConstructorParameters<typeof SlabLayout>[1], format: WeightFormat) {
    const shapes: [string, number[]][] = [
      ["a", [10, 64]],
      ["b", [7, 64]],
      ["c", [9, 96]],
      ["norm", [5]],
    ];
    super(new Map(shapes), limits);
    this.stack("ab", ["a", "b"], { format: WEIGHT_FORMATS[format] });
    this.stack("c", ["c"], { format: WEIGHT_FORMATS[format] });
    this.stack("norm", ["norm"]);
  }
}

test.each(["f32", ...FROZEN_FORMATS] as const)(
  "%s: tensors stacked and cut in blocks come back; the plan is the bytes",
  async (format) => {
    const bindingLimit = 8 * 4 * WEIGHT_FORMATS[format].words(96); // 8 rows of c, 12 of a and b
    const limits = { bindingLimit, bufferLimit: 4096, alignment: gpu.alignment };
    const layout = new MixedLayout(limits, format);
    const plan = new MemoryPlanner(limits.bindingLimit, limits.bufferLimit, limits.alignment);
    new Slabs(plan, layout, "weights", "weights");
    const before = gpu.allocatedBytes;
    const slabs = new Slabs(gpu, layout, "weights", "weights");
    expect(plan.total).toBe(gpu.allocatedBytes - before);
    expect(layout.stacks.get("ab")?.blocks.map((block) => block.rows)).toEqual([12, 5]);
    const written = new Map<string, Float32Array<ArrayBuffer>>();
    for (const [name, shape] of layout.shapes) {
      const values = Float32Array.from(random.normal(shape.reduce((a, b) => a * b)));
      setValues(gpu, slabs, name, values);
      const columns = shape[1] ?? 1;
      const kept = shape.length === 1 ? "f32" : format;
      written.set(name, unpackValues(packValues(values, kept, columns), kept, columns));
    }
    for (const [name, values] of written) expect(await getValues(gpu, slabs, name)).toEqual(values);
  },
);

test("a width that no blocks fit is refused", () => {
  const limits = { bindingLimit: 1024, bufferLimit: 2048, alignment: 256 };
  class Narrow extends SlabLayout {
    constructor() {
      super(new Map([["a", [4, 36]]]), limits);
      this.stack("a", ["a"], { format: WEIGHT_FORMATS.q8_0 });
    }
  }
  expect(() => new Narrow()).toThrow(/36 columns/);
});
