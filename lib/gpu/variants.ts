import { UserError } from "../errors.ts";

/**
 * What depends on the kind of adapter, all of it. Nothing here may depend on how many rows are in
 * flight: the order of every sum is a matter of shape and adapter.
 */
export interface Variants {
  /** shaders/matmul.wgsl, or shaders/matmul-tiled.wgsl. */
  readonly matmul: MatmulKernel;
  /** Rows and columns of the outputs that one invocation of the plain matmul owns, in registers. */
  readonly tile: readonly [number, number];
  /** Rows and columns of invocations in the plain matmul's workgroup. */
  readonly tileGroup: readonly [number, number];
  /** Invocations that share a row in rmsnorm, logprob and sample; fixes the order of their sums. */
  readonly lanes: number;
  /** Decoding steps between two looks at the drawn tokens. */
  readonly readEvery: number;
  readonly why: string;
}

export const MATMUL_KERNELS = ["plain", "tiled"] as const;
export type MatmulKernel = (typeof MATMUL_KERNELS)[number];

/**
 * The tiled matmul's shapes, which add in the same order: products of up to 64 rows take the first. Each
 * has 64 invocations that stage 4 x 4 elements of either factor a step: 4 groupX = rows groupY / vectors.
 * Not measured on a GPU yet.
 */
export const TILED_MATMULS = [
  { upToRows: 64, rows: 1, vectors: 1, groupX: 4, groupY: 16 },
  { upToRows: Number.POSITIVE_INFINITY, rows: 8, vectors: 2, groupX: 8, groupY: 8 },
] as const;

const GPU_VARIANTS: Variants = {
  matmul: "tiled",
  tile: [4, 8],
  tileGroup: [8, 8],
  lanes: 64,
  readEvery: 8,
  why: "on a GPU lanes are many, and a look at the tokens leaves it idle",
};

const SOFTWARE_VARIANTS: Variants = {
  ...GPU_VARIANTS,
  matmul: "plain",
  lanes: 1,
  readEvery: 1,
  why: "on a CPU barriers are dear, and a look at the tokens costs nothing",
};

// Every lane of a load costs it several instructions, so larger tiles are faster: 16 x 16 by 1.4 over
// 8 x 8 and by 1.8 over 4 x 8, for 0.3 s of compiling each. LLVM's drivers gain nothing by them.
const SWIFTSHADER_VARIANTS: Variants = {
  ...SOFTWARE_VARIANTS,
  tile: [16, 16],
  tileGroup: [2, 2],
  why: `${SOFTWARE_VARIANTS.why}; SwiftShader's loads are dear too`,
};

/** The variants for an adapter of this name. */
export function chooseVariants(name: string, isSoftware: boolean): Variants {
  if (name.startsWith("SwiftShader")) return SWIFTSHADER_VARIANTS;
  return isSoftware ? SOFTWARE_VARIANTS : GPU_VARIANTS;
}

/** The matmul that RLEXPLORE_MATMUL asks for, if it does. @throws UserError if there is none such */
export function requestedMatmul(
  request: string | undefined = process.env.RLEXPLORE_MATMUL,
): MatmulKernel | undefined {
  if (!request) return undefined;
  const kernel = MATMUL_KERNELS.find((name) => name === request);
  if (!kernel) {
    throw new UserError(`RLEXPLORE_MATMUL is ${MATMUL_KERNELS.join(" or ")}, not "${request}"`);
  }
  return kernel;
}

/** What was chosen, in words. */
export function describeVariants(variants: Variants): string[] {
  const { matmul, tile, tileGroup, lanes, readEvery } = variants;
  const tiled = TILED_MATMULS.map(
    ({ rows, vectors, groupX, groupY }) => `${rows * groupY} x ${4 * vectors * groupX}`,
  );
  return [
    matmul === "tiled"
      ? `matmul: tiled, workgroups of ${tiled.join(" or ")} by the rows, in workgroup memory`
      : `matmul: plain, tiles of ${tile.join(" x ")} in registers, no barrier, ${tileGroup.join(" x ")} tiles a workgroup`,
    `rmsnorm, logprob, sample: ${lanes === 1 ? "one invocation" : `${lanes} invocations`} a row`,
    `sampling: tokens are read back ${readEvery === 1 ? "after every step" : `every ${readEvery} steps`}`,
  ];
}
