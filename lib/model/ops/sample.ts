import pickSource from "../../../shaders/pick.wgsl" with { type: "text" };
import sampleSource from "../../../shaders/sample.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import { ceil, type Kernels } from "./kernels.ts";

export interface SamplingOptions {
  /** 0 takes the most likely token. */
  temperature: number;
  /** Keep the k most likely tokens; 0 keeps all. */
  topK: number;
  /** Keep the smallest set of tokens holding this share of the probability; 1 keeps all. */
  topP: number;
  /** Keep tokens at least this many times as likely as the likeliest; 0 keeps all. */
  minP: number;
}

/** shaders/sample.wgsl: the next token of every row; shaders/pick.wgsl: the tokens of some rows. */
export class Sample {
  constructor(private readonly kernels: Kernels) {
    kernels.addRows("sample", sampleSource, "forward");
    kernels.add("pick", pickSource, "forward");
  }

  /** Draws token[row] from logits[row] and moves draws and spans to the next position. */
  forward(
    tensors: { logits: Tensor; draws: Tensor; spans: Tensor; token: Tensor },
    rows: number,
    vocabulary: number,
    stride: number,
    options: SamplingOptions,
  ): void {
    const greedy = options.temperature === 0;
    const params = {
      rows,
      vocabulary,
      stride,
      // No filter drops the most likely token, so that greedy decoding needs none.
      top_k: greedy ? 0 : options.topK,
      top_p: greedy ? 1 : options.topP,
      log_min_p: options.minP > 0 ? Math.log(options.minP) : -1e30,
      inverse_temperature: greedy ? 1 : 1 / options.temperature,
      greedy: greedy ? 1 : 0,
    };
    this.kernels.runRows("sample.forward", tensors, params, rows, vocabulary);
  }

  /** picked[i] = tokens[places[i]] for `rows` rows. */
  pick(tensors: { places: Tensor; tokens: Tensor; picked: Tensor }, rows: number): void {
    this.kernels.run("pick.forward", tensors, { rows }, [ceil(rows, 64)]);
  }
}
