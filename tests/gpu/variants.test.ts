import { expect, test } from "bun:test";
import {
  chooseVariants,
  describeVariants,
  requestedMatmul,
  TILED_MATMULS,
} from "../../lib/gpu/variants.ts";

test("GPUs get the tiled matmul, software adapters the plain one, unless one is asked for", () => {
  expect(chooseVariants("NVIDIA H100", false).matmul).toBe("tiled");
  expect(chooseVariants("llvmpipe (LLVM 15)", true).matmul).toBe("plain");
  expect(chooseVariants("SwiftShader Device (Subzero)", true).matmul).toBe("plain");
  expect(requestedMatmul("plain")).toBe("plain");
  expect(requestedMatmul("")).toBeUndefined();
  expect(() => requestedMatmul("fast")).toThrow('RLEXPLORE_MATMUL is plain or tiled, not "fast"');
  const [line] = describeVariants(chooseVariants("NVIDIA H100", false));
  expect(line).toContain("16 x 16 or 64 x 64");
});

test("every invocation of a tiled matmul stages one block of each factor", () => {
  for (const { rows, vectors, groupX, groupY } of TILED_MATMULS) {
    const depth = groupY / vectors; // vectors of the contraction in a step
    expect(((rows * groupY) / 4) * depth).toBe(groupX * groupY);
    expect(depth * vectors * groupX).toBe(groupX * groupY);
    expect(Math.log2(depth) % 1).toBe(0);
  }
});
