import { expect, test } from "bun:test";
import {
  chooseVariants,
  describeVariants,
  requestedAttention,
  requestedMatmul,
} from "../../lib/gpu/variants.ts";

test("GPUs get the tiled matmul, software adapters the plain one, unless one is asked for", () => {
  expect(chooseVariants("NVIDIA H100", false).matmul).toBe("tiled");
  expect(chooseVariants("llvmpipe (LLVM 15)", true).matmul).toBe("plain");
  expect(chooseVariants("SwiftShader Device (Subzero)", true).matmul).toBe("plain");
  expect(requestedMatmul("plain")).toBe("plain");
  expect(requestedMatmul("")).toBeUndefined();
  expect(() => requestedMatmul("fast")).toThrow('RLEXPLORE_MATMUL is plain or tiled, not "fast"');
  const [line] = describeVariants(chooseVariants("NVIDIA H100", false));
  expect(line).toContain("16x16 or 64x64");
});

test("and so it is with attention", () => {
  expect(chooseVariants("NVIDIA H100", false).attention).toBe("tiled");
  expect(chooseVariants("llvmpipe (LLVM 15)", true).attention).toBe("plain");
  expect(requestedAttention("tiled")).toBe("tiled");
  expect(requestedAttention("")).toBeUndefined();
  expect(() => requestedAttention("flash")).toThrow("RLEXPLORE_ATTENTION is plain or tiled");
  const lines = describeVariants(chooseVariants("NVIDIA H100", false));
  expect(lines.join()).toContain("attention: tiled, up to 16 KiB");
});
