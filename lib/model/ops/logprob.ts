import logprobSource from "../../../shaders/logprob.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import { ceil, type Kernels } from "./kernels.ts";

/** Where a block of the vocabulary's logits lies, and what they are divided by. */
export interface LogitsBlock {
  rows: number;
  columns: number;
  stride: number;
  /** Column of the logits tensor in which the block begins. */
  offset: number;
  /** Vocabulary index of the block's first column. */
  firstColumn: number;
  isLast: boolean;
  temperature: number;
}

/** shaders/logprob.wgsl: log-probabilities and entropies, block by block of the vocabulary. */
export class Logprob {
  constructor(private readonly kernels: Kernels) {
    kernels.addRows("logprob", logprobSource, "forward");
    kernels.add("logprob", logprobSource, "backward");
  }

  /** One block of the running log-softmax; the last one writes logprob[M] and entropy[M]. */
  forward(
    tensors: {
      logits: Tensor;
      target_token: Tensor;
      state: Tensor;
      logprob: Tensor;
      entropy: Tensor;
    },
    at: LogitsBlock,
  ): void {
    const params = logprobParams(at);
    this.kernels.runRows("logprob.forward", tensors, params, at.rows, at.columns);
  }

  /** Turns a block of logits into their gradient, in place. */
  backward(
    tensors: { logits: Tensor; target_token: Tensor; state: Tensor; d_logprob: Tensor },
    at: LogitsBlock,
  ): void {
    const groups = [ceil(at.rows * ceil(at.columns, 4), 64)] as const;
    this.kernels.run("logprob.backward", tensors, logprobParams(at), groups);
  }
}

function logprobParams(at: LogitsBlock) {
  return {
    rows: at.rows,
    columns: at.columns,
    stride: at.stride,
    offset: at.offset,
    first_column: at.firstColumn,
    is_first: at.firstColumn === 0 ? 1 : 0,
    is_last: at.isLast ? 1 : 0,
    inverse_temperature: 1 / at.temperature,
  };
}
