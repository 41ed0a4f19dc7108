import type { Gpu } from "../lib/gpu/device.ts";
import { bestSeconds, type Ceilings, measureCeilings } from "../lib/gpu/measure.ts";
import { MATMUL_KERNELS } from "../lib/gpu/variants.ts";
import type { ModelConfig } from "../lib/model/config.ts";
import type { HeadShape } from "../lib/model/ops/attention.ts";
import { PRODUCTS, type Product } from "../lib/model/ops/matmuls.ts";
import { Ops } from "../lib/model/ops.ts";
import type { Dtype } from "../lib/model/precision.ts";
import { matmulRate } from "../lib/model/rates.ts";
import { FROZEN_FORMATS, type WeightFormat } from "../lib/model/weight-formats.ts";
import type { Figure, Section } from "./figures.ts";

export async function ceilingSection(gpu: Gpu): Promise<[Section, Ceilings]> {
  const ceilings = await measureCeilings(gpu);
  const figures = [
    { name: "multiply-adds from registers", value: ceilings.flops / 1e9, unit: "GFLOP/s" },
    { name: "copy, read and written", value: ceilings.bandwidth / 1e9, unit: "GB/s" },
  ];
  return [{ title: "Ceilings", figures }, ceilings];
}

/** The three products of a linear layer, everything in `dtype`: at two cubes, and at the model's shapes. */
export async function matmulSection(
  gpu: Gpu,
  config: ModelConfig,
  { flops }: Ceilings,
  dtype: Dtype = "f32",
): Promise<Section> {
  const ops = new Ops(gpu, config.headDim);
  const { hiddenSize, intermediateSize, numHeads, numKeyValueHeads, headDim } = config;
  const layers = {
    qkv: { K: hiddenSize, N: (numHeads + 2 * numKeyValueHeads) * headDim },
    output: { K: numHeads * headDim, N: hiddenSize },
    "gate and up": { K: hiddenSize, N: 2 * intermediateSize },
    down: { K: intermediateSize, N: hiddenSize },
  };
  const figures: Figure[] = [];
  const add = async (name: string, shape: { T: number; K: number; N: number }) => {
    for (const product of PRODUCTS) {
      const rate = await matmulRate(gpu, ops, product, shape, dtype, dtype);
      const label = `${name}, ${product}`;
      figures.push({ name: label, value: rate / 1e9, unit: "GFLOP/s", share: rate / flops });
    }
  };
  for (const size of [512, 1024]) await add(`${size}^3`, { T: size, K: size, N: size });
  const T = 2048;
  for (const [name, { K, N }] of Object.entries(layers)) {
    await add(`${name}: ${T} x ${K} x ${N}`, { T, K, N });
  }
  return { title: `Matrix products, ${dtype}`, figures };
}

/**
 * y = x W^T and dx = dy W with W in each format, as a ratio to f32 in the same run: at the rows of decoding,
 * where every step reads every weight once, and at those of learning. The formats take turns, so that what
 * else the machine does falls on all of them.
 */
export async function formatSection(gpu: Gpu): Promise<Section> {
  const ops = new Ops(gpu, 16);
  const figures: Figure[] = [];
  const add = async (product: Product, T: number) => {
    const shape = { T, K: 576, N: 3072 }; // SmolLM2-135M's gate and up
    const best = new Map<WeightFormat, number>();
    for (let round = 0; round < 3; round++) {
      for (const format of ["f32", ...FROZEN_FORMATS] as const) {
        const rate = await matmulRate(gpu, ops, product, shape, format);
        best.set(format, Math.max(rate, best.get(format) ?? 0));
      }
    }
    for (const format of FROZEN_FORMATS) {
      const value = (best.get(format) ?? 0) / (best.get("f32") ?? 0);
      const name = `${T} x ${shape.K} x ${shape.N}, ${product}, ${format}`;
      figures.push({ name, value, unit: "of f32's speed" });
    }
  };
  for (const T of [1, 8, 64]) await add("forward", T);
  await add("backwardInput", 256);
  return { title: "Matrix products by the format of the weights", figures };
}

/**
 * The plain and the tiled matmul side by side, f32, at two row counts of decoding and one of learning. They
 * take turns, as the formats do.
 */
export async function matmulKernelSection(gpu: Gpu): Promise<Section> {
  const figures: Figure[] = [];
  const [K, N] = [576, 3072]; // SmolLM2-135M's gate and up
  const rounds = gpu.isSoftware ? 1 : 3; // SwiftShader takes a minute for one
  for (const T of [1, 16, 256]) {
    for (const product of PRODUCTS) {
      const best = { plain: 0, tiled: 0 };
      for (let round = 0; round < rounds; round++) {
        for (const matmul of MATMUL_KERNELS) {
          const rate = await matmulRate(gpu, new Ops(gpu, 16, { matmul }), product, { T, K, N });
          best[matmul] = Math.max(best[matmul], rate);
        }
      }
      const name = `${T} x ${K} x ${N}, ${product}`;
      figures.push({ name: `${name}, plain`, value: best.plain / 1e9, unit: "GFLOP/s" });
      figures.push({ name: `${name}, tiled`, value: best.tiled / 1e9, unit: "GFLOP/s" });
    }
  }
  return { title: `Matmul kernels; "${gpu.variants.matmul}" is in force here`, figures };
}

/**
 * Causal attention over one sequence. Counted as usual: 4 operations for each head, element, query and
 * seen key forward, 2.5 times that backward, where the scores are computed again.
 */
export async function attentionSection(
  gpu: Gpu,
  config: ModelConfig,
  { flops }: Ceilings,
): Promise<Section> {
  const { numHeads: heads, numKeyValueHeads: kvHeads, headDim } = config;
  const shapes: [string, HeadShape][] = [
    ["the embedded model's heads", { heads, kvHeads, headDim }],
    ["Qwen2.5-0.5B's heads", { heads: 14, kvHeads: 2, headDim: 64 }],
  ];
  const tokens = 512;
  const figures: Figure[] = [];
  for (const [name, shape] of shapes) {
    const operations = 4 * shape.heads * shape.headDim * ((tokens * (tokens + 1)) / 2);
    const [forward, backward] = await attentionSeconds(gpu, tokens, shape);
    const add = (direction: string, rate: number) =>
      figures.push({
        name: `${name}, ${direction}`,
        value: rate / 1e9,
        unit: "GFLOP/s",
        share: rate / flops,
      });
    add("forward", operations / forward);
    add("backward", (2.5 * operations) / backward);
  }
  return { title: `Attention over ${tokens} tokens, f32`, figures };
}

async function attentionSeconds(gpu: Gpu, tokens: number, shape: HeadShape) {
  const { heads, kvHeads, headDim } = shape;
  const ops = new Ops(gpu, headDim);
  const make = (name: string, length: number) => gpu.allocate("buffers", name, length);
  const queries = (name: string) => make(name, tokens * heads * headDim);
  const keys = (name: string) => make(name, tokens * kvHeads * headDim);
  const perHead = (name: string) => make(name, tokens * heads);
  const tensors = {
    spans: make("spans", tokens * 4),
    last_query: make("last queries", tokens),
    q: queries("q"),
    k: keys("k"),
    v: keys("v"),
    o: queries("o"),
    lse: perHead("lse"),
    d_o: queries("do"),
    softmax: make("softmax", 2 * tokens * heads),
    dq: queries("dq"),
    dk: keys("dk"),
    dv: keys("dv"),
  };
  const spans = Uint32Array.from({ length: tokens * 4 }, (_, i) => (i % 4 === 3 ? (i + 1) / 4 : 0));
  gpu.upload(tensors.spans, spans);
  gpu.upload(tensors.last_query, new Uint32Array(tokens).fill(tokens));
  const { spans: spansOf, q, k, v, o, lse } = tensors;
  const forward = await bestSeconds(gpu, o, () =>
    ops.attention.forward({ spans: spansOf, q, k, v, o, lse }, tokens, shape),
  );
  const backward = await bestSeconds(gpu, tensors.dk, () =>
    ops.attention.backward(tensors, tokens, shape),
  );
  for (const { buffer } of Object.values(tensors)) buffer.destroy();
  return [forward, backward];
}
