import { describe, expect, test } from "bun:test";
import { Random } from "../../beyond/oracle/random.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import { dot, expectClose, finiteDifferences } from "./compare.ts";
import { oracleDecoder, randomWeights, type Tensors } from "./decoder.ts";
import { type Group, packGroups } from "./packing.ts";

const config: ModelConfig = {
  architecture: "LlamaForCausalLM",
  vocabSize: 7,
  hiddenSize: 6,
  intermediateSize: 5,
  numLayers: 2,
  numHeads: 4,
  numKeyValueHeads: 2,
  headDim: 2,
  rmsNormEps: 0.01,
  ropeTheta: 50,
  ropeScaling: null,
  maxPositionEmbeddings: 32,
  tieWordEmbeddings: false,
  qkvBias: false,
  qkNorm: false,
  bosTokenId: null,
  eosTokenIds: [],
};
const temperature = 0.8;
const groups: Group[] = [
  { prompt: [1, 2, 3], completions: [[4, 5], [6], [2, 2, 0]] },
  { prompt: [5], completions: [[0, 1]] },
];

test("packing: spans, predictions and the last query of each key", () => {
  const packed = packGroups([{ prompt: [1, 2], completions: [[3, 4], [5]] }, groups[1]]);
  expect([...packed.tokens]).toEqual([1, 2, 3, 4, 5, 5, 0, 1]);
  expect([...packed.spans.subarray(0, 20)]).toEqual(
    [
      [0, 0, 0, 1],
      [0, 0, 0, 2],
      [0, 2, 2, 3],
      [0, 2, 2, 4],
      [0, 2, 4, 5],
    ].flat(),
  );
  expect([...packed.spans.subarray(20)]).toEqual(
    [
      [5, 5, 5, 6],
      [5, 6, 6, 7],
      [5, 6, 6, 8],
    ].flat(),
  );
  expect([...packed.lastQuery]).toEqual([5, 5, 4, 4, 5, 8, 8, 8]);
  expect([...packed.predictionRows]).toEqual([1, 2, 1, 5, 6]);
  expect([...packed.targets]).toEqual([3, 4, 5, 0, 1]);
});

const llama3 = {
  type: "llama3" as const,
  factor: 4,
  lowFreqFactor: 1,
  highFreqFactor: 4,
  originalMaxPositionEmbeddings: 16,
};
const variants: Record<string, Partial<ModelConfig>> = {
  "untied head": {},
  "tied head": { tieWordEmbeddings: true },
  "biases and linear scaling": { qkvBias: true, ropeScaling: { type: "linear", factor: 3 } },
  "norms of heads and llama3 scaling": { qkNorm: true, headDim: 4, ropeScaling: llama3 },
};
for (const [variant, changes] of Object.entries(variants)) {
  describe(variant, () => {
    const shape = { ...config, ...changes };
    const random = new Random(10);
    const weights = randomWeights(shape, random);
    const decoder = oracleDecoder(shape, weights);
    const gradientsOf = (layout: Group[], dLogprobs: Float64Array): Tensors => {
      const batch = packGroups(layout);
      return decoder.backward(batch, temperature, decoder.forward(batch, temperature), dLogprobs);
    };

    test("the gradient of every weight is the finite difference", () => {
      const batch = packGroups(groups);
      const dLogprobs = random.normal(batch.targets.length);
      const loss = () => dot(dLogprobs, decoder.forward(batch, temperature).logprobs);
      const gradients = gradientsOf(groups, dLogprobs);
      expect([...gradients.keys()]).toEqual([...weights.keys()]);
      for (const [name, weight] of weights) {
        // A whole decoder bends more sharply than one op, so the step is shorter.
        const reference = finiteDifferences(loss, weight, 1e-6);
        expectClose(gradients.get(name) as Float64Array, reference, { name, relative: 1e-7 });
      }
    });

    test("sharing a prompt changes neither log-probabilities nor gradients", () => {
      const apart = groups.flatMap(({ prompt, completions }) =>
        completions.map((completion) => ({ prompt, completions: [completion] })),
      );
      const shared = decoder.forward(packGroups(groups), temperature);
      const repeated = decoder.forward(packGroups(apart), temperature);
      const tight = { relative: 1e-13 };
      expectClose(shared.logprobs, repeated.logprobs, tight);
      expectClose(shared.entropies, repeated.entropies, tight);
      const dLogprobs = random.normal(shared.logprobs.length);
      const gradients = gradientsOf(groups, dLogprobs);
      for (const [name, reference] of gradientsOf(apart, dLogprobs)) {
        expectClose(gradients.get(name) as Float64Array, reference, { name, ...tight });
      }
    });
  });
}
