import type { Mutants } from "./mutant.ts";

const KERNELS = ["tests/model/ops.test.ts"];
const DECODER = ["tests/model/training-pass.test.ts"];

/** Mistakes in the model: its shaders and what strings them together. */
export const modelMutants: readonly Mutants[] = [
  {
    file: "shaders/rmsnorm.wgsl",
    tests: KERNELS,
    mistakes: [
      ["epsilon is left out", " + params.epsilon);", ");"],
      [
        "the gradient forgets that the norm moves",
        "r * (dy[start + i] * factor(i) - vec4f(x[start + i]) * shrink)",
        "r * (dy[start + i] * factor(i))",
      ],
    ],
  },
  {
    file: "shaders/rope.wgsl",
    tests: KERNELS,
    mistakes: [
      ["heads are turned the other way", "a * at.cos - b * at.sin", "a * at.cos + b * at.sin"],
      ["gradients are turned on, not back", "a * at.cos + b * at.sin", "a * at.cos - b * at.sin"],
      ["positions are one too far", "+ span.w - span.z - 1u", "+ span.w - span.z"],
    ],
  },
  {
    file: "shaders/attention.wgsl",
    tests: ["tests/model/ops-attention.test.ts"],
    mistakes: [["dq points the other way", "= sum[i] * scale;", "= sum[i] * -scale;"]],
  },
  {
    file: "shaders/swiglu.wgsl",
    tests: KERNELS,
    mistakes: [
      ["the gate's own slope is left out", "* s * (1.0 + gate_turn(g) * (1.0 - s))", "* s"],
      [
        "gate and up are exchanged",
        "activation(g) * vec4f(gate_up[at + params.width])",
        "activation(vec4f(gate_up[at + params.width])) * g",
      ],
    ],
  },
  {
    file: "shaders/logprob.wgsl",
    tests: KERNELS,
    mistakes: [
      [
        "the gradient is that of a cold softmax",
        "(hit - p) * params.inverse_temperature",
        "(hit - p)",
      ],
      ["the sum of the blocks before is not rescaled", "z += before.y * shrink;", "z += before.y;"],
      ["entropy has the wrong sign", "log_z - e / z", "log_z + e / z"],
    ],
  },
  {
    file: "shaders/gather.wgsl",
    tests: KERNELS,
    mistakes: [
      [
        "a token that comes twice is learned once",
        "i < offset[u + 1u]; i++",
        "i < min(offset[u] + 1u, offset[u + 1u]); i++",
      ],
    ],
  },
  {
    file: "shaders/linear.wgsl",
    tests: KERNELS,
    mistakes: [
      [
        "a second micro-batch replaces the first",
        "dw[to.y * k4 + to.x] += value;",
        "dw[to.y * k4 + to.x] = value;",
      ],
      ["what is there already is added to unasked", "params.add == 1u", "params.add == 0u"],
    ],
  },
  {
    file: "lib/model/head.ts",
    tests: ["tests/model/training-pass.test.ts"],
    mistakes: [
      ["logits that were written over are kept", "? places - 1 : places", "? places : places"],
    ],
  },
  {
    file: "shaders/adamw.wgsl",
    tests: ["tests/model/ops-adamw.test.ts"],
    mistakes: [
      ["gradients are never clipped", "min(1.0, params.max_norm / (summary.norm + 1e-6))", "1.0"],
      ["the second moment is not squared", "params.rest2 * g * g", "params.rest2 * g"],
      [
        "the weights climb",
        "parameter * params.decay - params.step_size",
        "parameter * params.decay + params.step_size",
      ],
      ["what lies past the end counts", "within(i, dw[i], vec4f())", "dw[i]"],
      ["NaN moves the weights", "< params.count && summary.nonfinite == 0u", "< params.count"],
    ],
  },
  {
    file: "shaders/sample.wgsl",
    tests: ["tests/model/ops-sample.test.ts"],
    mistakes: [
      ["every position draws with one noise", "draws[row].w += 1u;", "draws[row].w += 0u;"],
      ["top-k keeps one too few", ">= params.top_k) { threshold", "> params.top_k) { threshold"],
      [
        "temperature is left out",
        "let x = logits[start + i] * params.inverse_temperature;",
        "let x = logits[start + i];",
      ],
    ],
  },
  {
    file: "lib/model/decoder.ts",
    tests: DECODER,
    mistakes: [
      [
        "the residual skips the MLP's input",
        "? [a.attended, a.input]",
        "? [a.attended, a.attended]",
      ],
      ["the embedding is not learned", "if (gradients.embedding) {", "if (!gradients.embedding) {"],
    ],
  },
  {
    file: "lib/model/packing.ts",
    tests: DECODER,
    mistakes: [
      [
        "a completion sees its sibling",
        "this.push(completion[i], start, promptEnd, ownStart)",
        "this.push(completion[i], start, promptEnd, promptEnd)",
      ],
      [
        "the first token is predicted from itself",
        "i === 0 ? promptEnd - 1",
        "i === 0 ? promptEnd",
      ],
    ],
  },
  {
    file: "lib/model/optimizer.ts",
    tests: DECODER,
    mistakes: [
      ["moments are corrected one step late", "1 - beta1 ** step", "1 - beta1 ** (step + 1)"],
    ],
  },
];
