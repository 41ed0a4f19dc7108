import type { Gpu } from "../lib/gpu/device.ts";
import { bestSeconds, type Ceilings } from "../lib/gpu/measure.ts";
import type { ModelConfig } from "../lib/model/config.ts";
import { openEmbeddedModel } from "../lib/model/embedded.ts";
import type { HeadShape } from "../lib/model/ops/attention.ts";
import { PRODUCTS } from "../lib/model/ops/matmuls.ts";
import { Ops } from "../lib/model/ops.ts";
import { type Dtype, hasHalves } from "../lib/model/precision.ts";
import { matmulRate } from "../lib/model/rates.ts";
import type { Part } from "./harness.ts";
import type { Row, Section } from "./tables.ts";

export const kernelPart: Part = {
  about: "kernels at the shapes of models, and their share of the ceiling",
  quick: true,
  run: (bench) =>
    bench.withGpu(async (gpu) => {
      const { config } = await openEmbeddedModel({ weights: false });
      const ceilings = await bench.ceilings(gpu);
      bench.show(await matmulSection(gpu, config, ceilings));
      if (hasHalves(gpu)) bench.show(await matmulSection(gpu, config, ceilings, "f16"));
      bench.show(await attentionSection(gpu, config, ceilings));
    }),
};

/** The three products of a linear layer, everything in `dtype`: at two cubes, and at the model's shapes. */
async function matmulSection(
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
  const rows: Row[] = [];
  const add = async (name: string, shape: { T: number; K: number; N: number }) => {
    for (const product of PRODUCTS) {
      const rate = await matmulRate(gpu, ops, product, shape, dtype, dtype);
      const label = `${name}, ${product}`;
      rows.push({ name: label, value: rate / 1e9, unit: "GFLOP/s", share: rate / flops });
    }
  };
  for (const size of [512, 1024]) await add(`${size}^3`, { T: size, K: size, N: size });
  const T = 2048;
  for (const [name, { K, N }] of Object.entries(layers)) {
    await add(`${name}: ${T} x ${K} x ${N}`, { T, K, N });
  }
  return { title: `Matrix products, ${dtype}`, rows };
}

/**
 * Causal attention over one sequence. Counted as usual: 4 operations for each head, element, query and
 * seen key forward, 2.5 times that backward, where the scores are computed again.
 */
async function attentionSection(
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
  const rows: Row[] = [];
  for (const [name, shape] of shapes) {
    const operations = 4 * shape.heads * shape.headDim * ((tokens * (tokens + 1)) / 2);
    const [forward, backward] = await attentionSeconds(gpu, tokens, shape);
    const add = (direction: string, rate: number) =>
      rows.push({
        name: `${name}, ${direction}`,
        value: rate / 1e9,
        unit: "GFLOP/s",
        share: rate / flops,
      });
    add("forward", operations / forward);
    add("backward", (2.5 * operations) / backward);
  }
  return { title: `Attention over ${tokens} tokens, f32`, rows };
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
