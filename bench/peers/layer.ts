import type { Array as JaxArray } from "@jax-js/jax";
import { makeOps } from "../../beyond/kernels/ops.ts";
import type { SystemGpu } from "../../beyond/platform/gpu.ts";
import { type Dtype, elementBytes } from "../../beyond/storage/precision.ts";
import { RoundedParameters, roundable } from "../../beyond/storage/rounded.ts";
import { type Tensor, view } from "../../lib/gpu/memory.ts";
import { Activations, Gradients } from "../../lib/model/activations.ts";
import { Decoder } from "../../lib/model/decoder.ts";
import { BatchMemory, PackedBatch } from "../../lib/model/packing.ts";
import { ParameterLayout, Parameters } from "../../lib/model/parameters.ts";
import { ropeTable } from "../../lib/model/rope.ts";
import { type ModelShape, oneLayer } from "../shapes.ts";
import { causalAttention } from "./attention.ts";
import { type Named, randomValues, type Task } from "./contest.ts";
import type { Jax } from "./jax.ts";
import { make, type OurTask, upload } from "./ours.ts";

const LAYER = "model.layers.0";
/** The layer's parameters: their names here and in files. */
const PARAMETERS = {
  input_norm: `${LAYER}.input_layernorm.weight`,
  q_proj: `${LAYER}.self_attn.q_proj.weight`,
  k_proj: `${LAYER}.self_attn.k_proj.weight`,
  v_proj: `${LAYER}.self_attn.v_proj.weight`,
  o_proj: `${LAYER}.self_attn.o_proj.weight`,
  post_norm: `${LAYER}.post_attention_layernorm.weight`,
  gate_proj: `${LAYER}.mlp.gate_proj.weight`,
  up_proj: `${LAYER}.mlp.up_proj.weight`,
  down_proj: `${LAYER}.mlp.down_proj.weight`,
};

/**
 * A decoder layer over one sequence of T tokens, forward and backward: from x and dy to y, dx and the
 * gradients of all parameters.
 */
export function layerTask(model: ModelShape, T: number, dtype: Dtype = "f32"): Task {
  const { hidden, headDim } = model;
  const config = oneLayer(model, T);
  const layout = new ParameterLayout(config, {
    bindingLimit: Number.POSITIVE_INFINITY,
    bufferLimit: Number.POSITIVE_INFINITY,
    alignment: 256,
  });
  const inputs: Task["inputs"] = { x: randomValues(1, [T, hidden]) };
  for (const [i, [name, key]] of Object.entries(PARAMETERS).entries()) {
    const shape = layout.shapes.get(key) as readonly number[];
    // so that a product is about as large as its input
    inputs[name] = randomValues(2 + i, shape, shape.length === 2 ? Math.sqrt(3 / shape[1]) : 1);
  }
  const table = ropeTable(config, T);
  for (const [part, name] of ["cos", "sin"].entries()) {
    inputs[name] = { shape: [T, 1, headDim / 2], data: table.filter((_, i) => i % 2 === part) };
  }
  inputs.dy = randomValues(20, [T, hidden]);
  return {
    name: `${model.name}, ${T} tokens`,
    dtype,
    inputs,
    ours: (gpu, values) => ours(gpu, values, model, T, dtype),
    jax: (jax, { cos, sin, dy, ...trained }) => {
      const forward = (trained: Named<JaxArray>) =>
        jaxLayer(jax, { ...trained, cos, sin }, headDim, config.rmsNormEps);
      const [y, pullBack] = jax.vjp(forward, [trained]);
      const [gradients] = pullBack(dy);
      pullBack.dispose();
      return { y, ...prefixed(gradients) };
    },
    torch: { op: "layer", settings: { headDim, epsilon: config.rmsNormEps } },
  };
}

const prefixed = <T>(named: Named<T>): Named<T> =>
  Object.fromEntries(Object.entries(named).map(([name, value]) => [`d_${name}`, value]));

function jaxLayer(jax: Jax, p: Named<JaxArray>, headDim: number, epsilon: number): JaxArray {
  const { numpy: np, nn } = jax;
  const T = p.x.shape[0];
  const norm = (x: JaxArray, w: JaxArray) => {
    // np.mean casts, which has no backward pass in f16
    const square = np.sum(np.square(x.ref), -1, { keepdims: true }).mul(1 / x.shape[1]);
    return x.div(np.sqrt(square.add(epsilon))).mul(w);
  };
  const linear = (x: JaxArray, w: JaxArray) => np.einsum("tk,nk->tn", x, w);
  const heads = (x: JaxArray) => x.reshape([T, -1, headDim]);
  const rope = (x: JaxArray) => {
    const [a, b] = np.split(x, 2, -1);
    const first = a.ref.mul(p.cos.ref).sub(b.ref.mul(p.sin.ref));
    return np.concatenate([first, b.mul(p.cos.ref).add(a.mul(p.sin.ref))], -1);
  };
  const normed = norm(p.x.ref, p.input_norm);
  const q = rope(heads(linear(normed.ref, p.q_proj)));
  const k = rope(heads(linear(normed.ref, p.k_proj)));
  const v = heads(linear(normed, p.v_proj));
  p.cos.dispose();
  p.sin.dispose();
  const attended = causalAttention(jax, q, k, v).reshape([T, -1]);
  const middle = p.x.add(linear(attended, p.o_proj));
  const middleNormed = norm(middle.ref, p.post_norm);
  const gate = nn.silu(linear(middleNormed.ref, p.gate_proj));
  const up = linear(middleNormed, p.up_proj);
  return middle.add(linear(gate.mul(up), p.down_proj));
}

/** A decoder of one layer whose embedding is x: ids 0 to T - 1 bring its rows into the layer. */
function ours(
  gpu: SystemGpu,
  inputs: Task["inputs"],
  model: ModelShape,
  T: number,
  dtype: Dtype,
): OurTask {
  const config = oneLayer(model, T);
  const layout = new ParameterLayout(config, roundable(gpu));
  const parameters = new Parameters(gpu, layout, "weights", "weights");
  parameters.set(gpu, "model.embed_tokens.weight", inputs.x.data);
  for (const [name, key] of Object.entries(PARAMETERS)) parameters.set(gpu, key, inputs[name].data);
  const table = make(gpu, "RoPE table", T * model.headDim);
  const decoder = new Decoder(gpu, config, table, makeOps(gpu, config.headDim));
  const rounded = dtype === "f16" ? new RoundedParameters(gpu, parameters) : undefined;
  rounded?.refresh(decoder.ops);
  const weights = rounded ?? parameters;
  const gradients = new Parameters(gpu, layout, "gradients", "gradients");
  const activations = new Activations(gpu, config, T, "everything", elementBytes(dtype));
  const scratch = new Gradients(gpu, config, T);
  const batch = new BatchMemory(gpu, T, T);
  const sequence = new PackedBatch(T);
  sequence.add(
    Uint32Array.from({ length: T }, (_, i) => i),
    [],
  );
  batch.upload(gpu, sequence);
  const dy = upload(gpu, "dy", inputs.dy.data);
  return {
    record() {
      decoder.forward(weights, batch, T, activations);
      gpu.commands.copy(dy, scratch.stream);
      const { layers } = gradients;
      decoder.backward(weights, { layers }, batch, T, activations, scratch);
    },
    outputs: {
      y: activations.output,
      ...prefixed(gradientTensors(gradients)),
      d_x: scratch.stream,
    },
    sums: gradients.slabs,
  };
}

/** The gradients by the names of `PARAMETERS`. */
function gradientTensors({ layout, slabs }: Parameters): Named<Tensor> {
  return Object.fromEntries(
    Object.entries(PARAMETERS).map(([name, key]) => {
      const [{ slab, at, length }, ...more] = layout.pieces.get(key) ?? [];
      if (more.length > 0) throw new Error(`${name} is in several buffers`);
      return [name, view(slabs[slab], name, at, length)];
    }),
  );
}
