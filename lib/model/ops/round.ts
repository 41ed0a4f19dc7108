import roundSource from "../../../shaders/round.wgsl" with { type: "text" };
import type { Tensor } from "../../gpu/memory.ts";
import { ceil, type Kernels } from "./kernels.ts";

/** shaders/round.wgsl: a copy in f16. */
export class Round {
  constructor(private readonly kernels: Kernels) {
    kernels.add("round", roundSource, "forward");
  }

  forward(tensors: { w: Tensor; copy: Tensor }, count: number): void {
    this.kernels.run("round.forward", tensors, { count }, [ceil(count, 64)]);
  }
}
