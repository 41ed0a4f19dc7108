import type { Mutants } from "./mutant.ts";

const tests = ["tests/paging/paged-rows.test.ts"];

/** Mistakes in what gives completions memory as they grow, and promises the bits of those that had it from the start. */
export const pagingMutants: readonly Mutants[] = [
  {
    file: "shaders/rope.wgsl",
    tests,
    mistakes: [
      [
        "values lie where they did",
        "(where_lies(at.row) * params.kv_heads + head)",
        "(at.row * params.kv_heads + head)",
      ],
    ],
  },
  {
    file: "shaders/attention-tensors.wgsl",
    tests,
    mistakes: [
      [
        "keys are read where they did lie",
        "where_lies(select(span.z + s - prefix, span.x + s, s < prefix))",
        "select(span.z + s - prefix, span.x + s, s < prefix)",
      ],
    ],
  },
  {
    file: "beyond/paging/paged-rows.ts",
    tests,
    mistakes: [
      [
        "of a completion that is over, a block leaks",
        "this.pages.drop(cacheRow, cacheRow + this.memory.tokensPerRow)",
        "this.pages.drop(cacheRow + 16, cacheRow + this.memory.tokensPerRow)",
      ],
      ["prompts lose their memory while they are read", "rows > 0 || prompt", "prompt"],
      [
        "the GPU is not told where blocks lie",
        "this.gpu.upload(part, this.pages.moved, first, count);",
        "",
      ],
      ["a prompt that lost its memory counts as computed", "prompt.computed = 0;", ""],
      ["whoever throws leaves blocks taken", "    this.pages.dropAll();\n", ""],
    ],
  },
  {
    file: "beyond/paging/compute-again.ts",
    tests,
    mistakes: [
      ["a token is missing", "i < row.drawn - 1", "i < row.drawn - 2"],
      [
        "a completion is computed without its prompt",
        "seen.push(start, end, cacheRow,",
        "seen.push(start, start, cacheRow,",
      ],
    ],
  },
  {
    file: "beyond/paging/pages.ts",
    tests: ["tests/paging/pages.test.ts"],
    mistakes: [
      ["none is left to those who need it", "lacking + spare > this.free", "lacking > this.free"],
      [
        "a block is free twice",
        "this.places[block] = NONE;\n    }\n  }\n\n  /** Where",
        "}\n  }\n\n  /** Where",
      ],
    ],
  },
];
