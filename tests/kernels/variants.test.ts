import { expect, test } from "bun:test";
import { chooseSubgroupMatrix } from "../../beyond/kernels/subgroups.ts";
import {
  chooseVariants,
  describeVariants,
  requestedAttention,
  requestedMatmul,
} from "../../beyond/kernels/variants.ts";

test("GPUs get the tiled matmul, software adapters the plain one, unless one is asked for", () => {
  expect(chooseVariants("NVIDIA H100", false).matmul).toBe("tiled");
  expect(chooseVariants("llvmpipe (LLVM 15)", true).matmul).toBe("plain");
  expect(chooseVariants("SwiftShader Device (Subzero)", true).matmul).toBe("plain");
  expect(requestedMatmul("plain")).toBe("plain");
  expect(requestedMatmul("")).toBeUndefined();
  expect(() => requestedMatmul("fast")).toThrow(
    'RLEXPLORE_MATMUL is plain, tiled, lanes or matrix, not "fast"',
  );
  const [line] = describeVariants(chooseVariants("NVIDIA H100", false));
  expect(line).toContain("16x16 or 64x64");
});

test("and so it is with attention", () => {
  expect(chooseVariants("NVIDIA H100", false).attention).toBe("tiled");
  expect(chooseVariants("llvmpipe (LLVM 15)", true).attention).toBe("plain");
  const handing = chooseVariants("llvmpipe (LLVM 15)", true, 8);
  expect([handing.attention, handing.subgroupLanes]).toEqual(["subgroup", 8]);
  expect(chooseVariants("llvmpipe (LLVM 15)", true, 2).attention).toBe("plain");
  expect(chooseVariants("NVIDIA H100", false, 32).attention).toBe("tiled");
  expect(requestedAttention("tiled")).toBe("tiled");
  expect(requestedAttention("")).toBeUndefined();
  expect(() => requestedAttention("flash")).toThrow("is plain, tiled, subgroup or matrix");
  const lines = describeVariants(chooseVariants("NVIDIA H100", false));
  expect(lines.join()).toContain("attention: tiled, up to 16 KiB");
  expect(requestedAttention("matrix")).toBe("matrix");
});

test("of an adapter's subgroup matrices, the largest of f16 with sums in f32", () => {
  const config = (componentType: string, resultComponentType: string, M: number, N = M, K = M) => ({
    componentType,
    resultComponentType,
    M,
    N,
    K,
  });
  const chosen = (...subgroupMatrixConfigs: object[]) =>
    chooseSubgroupMatrix({ subgroupMatrixConfigs } as unknown as GPUAdapterInfo, 49152);
  const small = config("f16", "f32", 8);
  expect(chosen(config("f16", "f16", 16), small, config("u8", "u32", 16))).toEqual({
    M: 8,
    N: 8,
    K: 8,
    shallow: false,
  });
  expect(chosen(small, config("f16", "f32", 8, 16, 16))).toMatchObject({ M: 8, N: 16, K: 16 });
  expect(chosen(config("f16", "f32", 32))).toBeNull();
  expect(chooseSubgroupMatrix({} as GPUAdapterInfo, 49152)).toBeNull();
});
