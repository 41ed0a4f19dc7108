import type { Tensor } from "../../lib/gpu/memory.ts";
import { ceil, type Kernels } from "../../lib/model/ops/kernels.ts";
import roundSource from "./round.wgsl" with { type: "text" };

/** beyond/storage/round.wgsl: a copy in f16. */
export class Round {
  constructor(private readonly kernels: Kernels) {
    kernels.add("round", roundSource, "forward");
  }

  forward(tensors: { w: Tensor; copy: Tensor }, count: number): void {
    this.kernels.run("round.forward", tensors, { count }, [ceil(count, 64)]);
  }
}
