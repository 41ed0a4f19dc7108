import type { Part } from "../harness.ts";
import { EMBEDDED_SHAPE, layerMatrices, MODEL_SHAPES, SMOLLM2_SHAPE } from "../shapes.ts";
import { attentionTask } from "./attention.ts";
import { compete } from "./compete.ts";
import { layerTask } from "./layer.ts";
import { matmulTasks } from "./matmul.ts";

/** Rows of a product at the shapes of models, and tokens of a sequence. */
const TOKENS = 512;

export const peerMatmulPart: Part = {
  about: "jax-js and PyTorch: matrix products",
  run: (bench) =>
    compete(bench, "Matrix products, T x K x N", (dtype, isSoftware) => {
      const cubes = isSoftware ? [512, 1024] : [512, 1024, 2048, 4096];
      const models = isSoftware ? [SMOLLM2_SHAPE] : MODEL_SHAPES;
      const layers = models.flatMap((model) =>
        layerMatrices(model).map(({ matrix, K, N }) => ({
          name: `${model.name}'s ${matrix}, ${TOKENS} x ${K} x ${N}`,
          T: TOKENS,
          K,
          N,
        })),
      );
      const squares = cubes.map((size) => ({ name: `${size}^3`, T: size, K: size, N: size }));
      return [...squares, ...layers].flatMap(({ name, ...shape }) =>
        matmulTasks(name, shape, dtype),
      );
    }),
};

export const peerAttentionPart: Part = {
  about: "jax-js and PyTorch: causal softmax-attention",
  run: (bench) =>
    compete(bench, `Causal softmax-attention over ${TOKENS} tokens`, (dtype) =>
      MODEL_SHAPES.flatMap((model) =>
        (["forward", "forward and backward"] as const).map((direction) =>
          attentionTask(model.name, TOKENS, model, direction, dtype),
        ),
      ),
    ),
};

export const peerLayerPart: Part = {
  about: "jax-js and PyTorch: a decoder layer forward and backward",
  run: (bench) =>
    compete(bench, "A decoder layer, forward and backward", (dtype, isSoftware) => {
      const models = isSoftware ? [EMBEDDED_SHAPE, SMOLLM2_SHAPE] : MODEL_SHAPES;
      return models.map((model) => layerTask(model, TOKENS, dtype));
    }),
};
