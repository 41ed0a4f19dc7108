import { expect, test } from "bun:test";
import { MemoryPlanner } from "../../lib/gpu/memory.ts";
import { modelTensors, ParameterLayout, Parameters } from "../../lib/model/parameters.ts";
import { GOLDENS, loadDecoderGolden } from "../golden/decoder.ts";

const limits = { bindingLimit: 4096, bufferLimit: 8192, alignment: 256 };

test.each(GOLDENS)("%s: every tensor has its names and its own place", (name) => {
  const { config, weights } = loadDecoderGolden(name);
  const tensors = modelTensors(config);
  expect(tensors.map(({ name }) => name).sort()).toEqual([...weights.keys()].sort());
  expect(new Set(tensors.map(({ gguf }) => gguf)).size).toBe(tensors.length);

  const layout = new ParameterLayout(config, limits);
  const taken = layout.slabs.map(({ length }) => new Uint8Array(length));
  for (const { name, shape } of tensors) {
    let words = 0;
    for (const { slab, at, start, length } of layout.pieces.get(name) ?? []) {
      expect(start).toBe(words);
      expect(layout.slabs[slab].decay).toBe(shape.length === 2);
      expect(taken[slab].subarray(at, at + length).every((times) => times === 0)).toBe(true);
      taken[slab].fill(1, at, at + length);
      words += length;
    }
    expect(words).toBe(shape.reduce((a, b) => a * b));
  }
});

test.each(GOLDENS)(
  "%s: what the decoder reads is stacked, and there if the config says so",
  (name) => {
    const { config } = loadDecoderGolden(name);
    const { numHeads, numKeyValueHeads, headDim, hiddenSize, intermediateSize } = config;
    const plan = new MemoryPlanner(limits.bindingLimit, limits.bufferLimit, limits.alignment);
    const layout = new ParameterLayout(config, plan);
    const { embedding, head, layers } = new Parameters(plan, layout, "weights", "weights");
    expect(head === embedding).toBe(config.tieWordEmbeddings);
    expect(layers.length).toBe(config.numLayers);
    const width = (numHeads + 2 * numKeyValueHeads) * headDim;
    for (const layer of layers) {
      expect([layer.qkv.rows, layer.qkv.columns]).toEqual([width, hiddenSize]);
      expect([layer.gateUp.rows, layer.gateUp.columns]).toEqual([2 * intermediateSize, hiddenSize]);
      expect([layer.down.rows, layer.down.columns]).toEqual([hiddenSize, intermediateSize]);
      expect(layer.qkvBias?.length).toBe(config.qkvBias ? width : undefined);
      expect(layer.qNorm?.length).toBe(config.qkNorm ? headDim : undefined);
      expect(layer.kNorm?.length).toBe(config.qkNorm ? headDim : undefined);
    }
  },
);
