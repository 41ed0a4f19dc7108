import { logitsStride } from "../../lib/model/head.ts";
import { squareChunks } from "../../lib/model/ops/adamw.ts";
import type { LogitsBlock } from "../../lib/model/ops/logprob.ts";
import { VOCABULARY_BLOCK } from "../../lib/model/parameters.ts";
import type { ModelShape } from "../shapes.ts";
import type { KernelCase, Space } from "./kernel.ts";

/** What happens to tokens before the layers and after them, and to the weights: `rows` predictions each. */
export function endKernels(model: ModelShape, rows: number): KernelCase[] {
  const parameters = Math.min(1 << 22, model.hidden * model.ff * 3);
  return [
    ...gatherKernels(model, rows),
    ...logprobKernels(model, rows),
    ...adamwKernels(parameters),
  ].map((kernel) => ({ ...kernel, perLayer: 0 }));
}

type Case = Omit<KernelCase, "perLayer">;

/** Rows of a table of a block of the vocabulary, each token another. */
function gatherKernels({ hidden, vocabulary }: ModelShape, rows: number): Case[] {
  const tableRows = Math.min(vocabulary, VOCABULARY_BLOCK);
  const distinct = Math.min(rows, tableRows);
  const table = (space: Space) => space.matrix("table", tableRows, hidden, "f32");
  const counting = (length: number, at = (i: number) => i) =>
    Uint32Array.from({ length }, (_, i) => at(i));
  return [
    {
      name: `gather ${hidden}, forward`,
      rows,
      make(space) {
        const index = space.indices(
          "index",
          counting(rows, (i) => i % tableRows),
        );
        const [w, out] = [table(space), space.tensor("out", rows * hidden)];
        const record = () => space.ops.gather.forward({ index, out }, w, rows);
        // of the table, as many rows as come out
        return { operations: 0, reads: [out], writes: [out], record };
      },
    },
    {
      name: `gather ${hidden}, backward`,
      rows,
      make(space) {
        const row = space.indices("row", counting(distinct));
        const offset = space.indices(
          "offset",
          counting(distinct + 1, (u) => Math.floor((u * rows) / distinct)),
        );
        const item = space.indices("item", counting(rows));
        const [d_out, d] = [space.tensor("d_out", rows * hidden), table(space)];
        const record = () => space.ops.gather.backward({ row, offset, item, d_out }, d, distinct);
        const added = space.tensor("rows added to", distinct * hidden); // for its size
        return { operations: rows * hidden, reads: [d_out, added], writes: [added], record };
      },
    },
  ];
}

/** One block of the vocabulary; the products that make its logits are the LM head's. */
function logprobKernels({ vocabulary }: ModelShape, rows: number): Case[] {
  const columns = Math.min(vocabulary, VOCABULARY_BLOCK);
  const at: LogitsBlock = {
    rows,
    columns,
    stride: columns,
    offset: 0,
    firstColumn: 0,
    isLast: true,
    temperature: 1,
  };
  const tensors = (space: Space) => ({
    logits: space.tensor("logits", rows * columns),
    target_token: space.indices("targets", new Uint32Array(rows)),
    state: space.tensor("state", 4 * rows),
  });
  return [
    {
      name: `logprob of ${columns}, forward`,
      rows,
      make(space) {
        const given = tensors(space);
        const logprob = space.tensor("logprob", rows);
        const entropy = space.tensor("entropy", rows);
        const record = () => space.ops.logprob.forward({ ...given, logprob, entropy }, at);
        const operations = 6 * rows * columns;
        return { operations, reads: [given.logits], writes: [logprob, entropy], record };
      },
    },
    {
      name: `logprob of ${columns}, backward`,
      rows,
      make(space) {
        const given = { ...tensors(space), d_logprob: space.tensor("d_logprob", rows) };
        const record = () => space.ops.logprob.backward(given, at);
        const { logits } = given;
        return { operations: 4 * rows * columns, reads: [logits], writes: [logits], record };
      },
    },
  ];
}

function adamwKernels(count: number): Case[] {
  const params = {
    max_norm: 1,
    decay: 0,
    beta1: 0.9,
    beta2: 0.999,
    step_size: 0, // or the noise would be trained away
    root_correction: 1,
    epsilon: 1e-8,
  };
  const chunks = squareChunks(count);
  return [
    {
      name: `gradient norm of ${count} parameters`,
      rows: 1,
      make(space) {
        const [dw, partial] = [space.tensor("dw", count), space.tensor("partial", 2 * chunks)];
        const summary = space.tensor("summary", 2);
        const record = () => {
          space.ops.adamw.square({ dw, partial }, count, 0, params);
          space.ops.adamw.total({ partial, summary }, chunks, params);
        };
        return { operations: 2 * count, reads: [dw], writes: [summary], record };
      },
    },
    {
      name: `adamw of ${count} parameters`,
      rows: 1,
      make(space) {
        const all = (name: string) => space.tensor(name, count);
        const [w, dw, m, v] = ["w", "dw", "m", "v"].map(all);
        const summary = space.tensor("summary", 2);
        space.gpu.upload(summary, Float32Array.of(1, 0));
        const record = () => space.ops.adamw.update({ w, dw, m, v, summary }, count, params);
        return { operations: 14 * count, reads: [w, dw, m, v], writes: [w, m, v], record };
      },
    },
  ];
}

/** The draw of a token for each of `rows` completions, from all logits, with top-p or without. */
export const sampleKernels = ({ vocabulary }: ModelShape, rows: number): KernelCase[] =>
  [1, 0.9].map((topP) => ({
    name: `sample of ${vocabulary}${topP < 1 ? `, top-p ${topP}` : ""}`,
    rows,
    perLayer: 0,
    make(space) {
      const stride = logitsStride(vocabulary);
      const logits = space.tensor("logits", rows * stride);
      const [draws, spans] = ["draws", "spans"].map((name) =>
        space.indices(name, new Uint32Array(4 * rows)),
      );
      const token = space.tensor("token", rows);
      const options = { temperature: 1, topK: 0, topP, minP: 0 };
      const record = () =>
        space.ops.sample.forward(
          { logits, draws, spans, token },
          rows,
          vocabulary,
          stride,
          options,
        );
      return { operations: 4 * rows * vocabulary, reads: [logits], writes: [token], record };
    },
  }));
