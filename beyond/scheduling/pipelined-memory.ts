import type { Allocator, Tensor } from "../../lib/gpu/memory.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import {
  type Drawn,
  makeDrawn,
  SamplerMemory,
  type SamplerSizes,
} from "../../lib/model/sampler-memory.ts";

export interface PipelinedSizes extends SamplerSizes {
  /** Decoding steps between two looks at the drawn tokens. */
  readEvery: number;
}

/** What a sampler needs whose tokens stay on the GPU from step to step. */
export class PipelinedMemory extends SamplerMemory {
  /** Where in `lastTokens` the last tokens of the rows lie, where others are decoded than in the steps before. */
  readonly places: Tensor;
  /** What the last decoding step drew, and behind it the first tokens of rows that were admitted since. */
  readonly lastTokens: Tensor;
  /** What each of `readEvery` decoding steps drew; `drawn` is what was drawn from prompts. */
  readonly steps: readonly Drawn[];

  constructor(alloc: Allocator, config: ModelConfig, sizes: PipelinedSizes) {
    super(alloc, config, sizes, sizes.readEvery);
    const { rows, readEvery } = sizes;
    this.places = alloc.allocate("buffers", "places of last tokens", rows);
    this.lastTokens = alloc.allocate("buffers", "last tokens", rows * 2);
    this.steps = Array.from({ length: readEvery }, (_, i) => {
      const drawn = makeDrawn(alloc, rows);
      return i === readEvery - 1 ? { ...drawn, token: this.lastTokens } : drawn;
    });
  }
}
