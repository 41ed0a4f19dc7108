import swigluSource from "../../../shaders/swiglu.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import { ceil, type Kernels } from "./kernels.ts";

/** shaders/swiglu.wgsl: the gated activation of the MLP. */
export class Swiglu {
  constructor(private readonly kernels: Kernels) {
    kernels.add("swiglu", swigluSource, "forward backward");
  }

  /** a[T, F] = silu(gate) * up from gate_up[T, 2F]. */
  forward(tensors: { gate_up: Tensor; a: Tensor }, rows: number, width: number): void {
    const groups = [ceil((rows * width) / 4, 64)] as const;
    this.kernels.run("swiglu.forward", tensors, { rows, width: width / 4 }, groups);
  }

  backward(
    tensors: { gate_up: Tensor; da: Tensor; d_gate_up: Tensor },
    rows: number,
    width: number,
  ): void {
    const groups = [ceil((rows * width) / 4, 64)] as const;
    this.kernels.run("swiglu.backward", tensors, { rows, width: width / 4 }, groups);
  }
}
