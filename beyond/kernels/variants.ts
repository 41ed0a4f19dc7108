import { UserError } from "../../lib/errors.ts";
import { MOST_SPLIT_QUERIES } from "../../lib/model/ops/attention.ts";

/**
 * What depends on the kind of adapter, all of it. Nothing here may depend on how many rows are in
 * flight: the order of every sum is a matter of shape and adapter.
 */
export interface Variants {
  /** Whether the core's kernels are to be run and nothing else. */
  readonly isPlain?: boolean;
  /** The family of beyond/kernels/matmul-families.ts that makes products of which `tuned` says nothing. */
  readonly matmul: MatmulKernel;
  /** The tiles of each family, by row class; one name is for all classes. */
  readonly tiles: Readonly<Record<MatmulKernel, string>>;
  readonly tuned: TuningTable;
  /** shaders/attention.wgsl, attention-tiled.wgsl, attention-subgroup.wgsl or attention-matrix.wgsl. */
  readonly attention: AttentionKernel;
  /** Bytes of workgroup memory that a tile of attention-tiled.wgsl may fill; sets its blocks, and so its bits. */
  readonly attentionMemory: number;
  /** The adapter's matrices of f16 with sums in f32, if it has such. */
  readonly subgroupMatrix: SubgroupMatrix | null;
  /** Queries of decoding, a head counted as one, up to which attention splits the keys of long caches. */
  readonly splitQueries: number;
  /** Queries up to which attention.wgsl does for attention-subgroup.wgsl, with its bits: decoding has it compiled. */
  readonly plainQueries: number;
  /** Invocations of a subgroup of attention-subgroup.wgsl. */
  readonly subgroupLanes: number;
  /** What heads of the queries or keys that one of its lanes owns add up to, at most; no bit of o depends on it. */
  readonly subgroupElements: number;
  /** Vectors of a head that it has in registers at once, at most; no bit depends on it. */
  readonly subgroupSlice: number;
  /** Invocations that share a row in rmsnorm, logprob and sample; fixes the order of their sums. */
  readonly lanes: number;
  /** The same for rows as long as a vocabulary. */
  readonly wideLanes: number;
  /** Decoding steps between two looks at the drawn tokens. */
  readonly readEvery: number;
  readonly why: string;
}

/** What tuning chose: from the key of a product's shape to a family and its tiles; of attention's to a way. */
export type TuningTable = Readonly<Record<string, string>>;

export const MATMUL_KERNELS = ["plain", "tiled", "lanes", "matrix"] as const;
export type MatmulKernel = (typeof MATMUL_KERNELS)[number];
export const ATTENTION_KERNELS = ["plain", "tiled", "subgroup", "matrix"] as const;
export type AttentionKernel = (typeof ATTENTION_KERNELS)[number];

const GPU_VARIANTS: Variants = {
  matmul: "tiled",
  // not measured on a GPU yet
  tiles: {
    plain: "4x8",
    tiled: "16x16 16x16 16x16 64x64 64x64",
    lanes: "1x8 8x8 16x16 64x64 64x64",
    matrix: "16x16 16x16 64x32 64x64 128x128",
  },
  subgroupMatrix: null,
  tuned: {},
  attention: "tiled",
  attentionMemory: 16_384, // what every adapter has
  splitQueries: MOST_SPLIT_QUERIES,
  plainQueries: 0,
  subgroupLanes: 4,
  subgroupElements: 16,
  subgroupSlice: 4,
  lanes: 64,
  wideLanes: 256,
  readEvery: 2,
  why: "on a GPU lanes are many, and a step is short beside a look at the tokens",
};

const SOFTWARE_VARIANTS: Variants = {
  ...GPU_VARIANTS,
  matmul: "plain",
  attention: "plain",
  splitQueries: 64, // one workgroup
  plainQueries: 64,
  lanes: 1,
  wideLanes: 32,
  readEvery: 1,
  why: "on a CPU barriers are dear, and a step is long beside a look at the tokens",
};

// Every lane of a load costs it several instructions, so larger tiles are faster: 16 x 16 by 1.4 over
// 8 x 8 and by 1.8 over 4 x 8, for 0.3 s of compiling each; where their rows are filled: for few rows
// 4 x 8 is several times as fast. LLVM's drivers gain nothing by larger ones.
const SWIFTSHADER_VARIANTS: Variants = {
  ...SOFTWARE_VARIANTS,
  tiles: { ...SOFTWARE_VARIANTS.tiles, plain: "4x8 4x8 4x8 16x16 16x16" },
  subgroupElements: 128,
  subgroupSlice: 16, // arrays that a loop indexes are slow
  why: `${SOFTWARE_VARIANTS.why}; SwiftShader's loads are dear too`,
};

/** The size of a subgroup matrix product: [M, K] by [K, N]. */
interface MatrixSize {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

export interface SubgroupMatrix extends MatrixSize {
  /** Whether tiles must do with 32 KiB of workgroup memory, not 48. */
  readonly shallow: boolean;
}

/** The matrices of f16 with sums in f32 that the matrix shaders can be cut into; the largest of them. */
export function chooseSubgroupMatrix(
  info: GPUAdapterInfo,
  workgroupBytes: number,
): SubgroupMatrix | null {
  const { subgroupMatrixConfigs = [] } = info as { subgroupMatrixConfigs?: SubgroupMatrixConfig[] };
  const usable = subgroupMatrixConfigs.filter(
    ({ componentType, resultComponentType, M, N, K }) =>
      componentType === "f16" &&
      resultComponentType === "f32" &&
      [M, N, K].every((size) => size === 8 || size === 16),
  );
  const [largest] = usable.sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K);
  if (!largest) return null;
  return { M: largest.M, N: largest.N, K: largest.K, shallow: workgroupBytes < 49152 };
}

interface SubgroupMatrixConfig extends MatrixSize {
  readonly componentType: string;
  readonly resultComponentType: string;
}

/** Invocations of a subgroup, where the adapter has subgroups and all are of one size; else 0. */
export function subgroupLanes({
  features,
  adapterInfo,
}: Pick<GPUDevice, "features" | "adapterInfo">): number {
  const { subgroupMinSize = 0, subgroupMaxSize } = adapterInfo;
  return features.has("subgroups") && subgroupMinSize === subgroupMaxSize ? subgroupMinSize : 0;
}

/** The variants for an adapter of this name. `subgroupLanes` are those of all its subgroups, 0 if it does not say. */
export function chooseVariants(name: string, isSoftware: boolean, subgroupLanes = 0): Variants {
  if (!isSoftware) return GPU_VARIANTS;
  const isSwiftShader = name.startsWith("SwiftShader");
  const variants = isSwiftShader ? SWIFTSHADER_VARIANTS : SOFTWARE_VARIANTS;
  if (![4, 8, 16].includes(subgroupLanes)) return variants;
  const [one, few, many] = [4, 8, 16].map((rows) => `subgroup-${rows}x${4 * subgroupLanes}`);
  // On SwiftShader 16 x 16 is faster for many rows, by a quarter.
  const plain = (
    isSwiftShader ? [one, few, few, "16x16", "16x16"] : [one, few, many, many, many]
  ).join(" ");
  return { ...variants, tiles: { ...variants.tiles, plain }, attention: "subgroup", subgroupLanes };
}

/** The kernel of `kernels` that an environment variable asks for, if it does. @throws UserError if there is none such */
function requested<T extends string>(
  variable: string,
  kernels: readonly T[],
  request: string | undefined,
): T | undefined {
  if (!request) return undefined;
  const kernel = kernels.find((name) => name === request);
  if (!kernel) {
    const names = `${kernels.slice(0, -1).join(", ")} or ${kernels.at(-1)}`;
    throw new UserError(`${variable} is ${names}, not "${request}"`);
  }
  return kernel;
}

/** The matmul that RLEXPLORE_MATMUL asks for, if it does. @throws UserError if there is none such */
export const requestedMatmul = (request = process.env.RLEXPLORE_MATMUL) =>
  requested("RLEXPLORE_MATMUL", MATMUL_KERNELS, request);

/** The attention that RLEXPLORE_ATTENTION asks for, if it does. @throws UserError if there is none such */
export const requestedAttention = (request = process.env.RLEXPLORE_ATTENTION) =>
  requested("RLEXPLORE_ATTENTION", ATTENTION_KERNELS, request);

/** What was chosen, in words. */
export function describeVariants(variants: Variants): string[] {
  const { matmul, tiles, lanes, wideLanes, readEvery } = variants;
  const names = [...new Set(tiles[matmul].split(" "))].join(" or ");
  return [
    matmul === "plain"
      ? `matmul: plain, tiles of ${names} in registers, no barrier`
      : `matmul: ${matmul}, workgroups of ${names} by the rows`,
    `attention: ${describeAttention(variants)}`,
    `rmsnorm, logprob, sample: ${lanes === 1 ? "one invocation" : `${lanes} invocations`} a row, ${wideLanes} a long one`,
    `sampling: tokens are read back ${readEvery === 1 ? "after every step" : `every ${readEvery} steps`}`,
  ];
}

function describeAttention({ attention, attentionMemory, subgroupLanes }: Variants): string {
  const kernels = {
    plain: "plain, an invocation a query and head, no barrier",
    tiled: `tiled, up to ${attentionMemory / 1024} KiB of workgroup memory`,
    matrix: `matrix in f16, else tiled, up to ${attentionMemory / 1024} KiB of workgroup memory`,
    subgroup: `subgroup, keys handed round ${subgroupLanes} lanes; in decoding as plain, with the same bits`,
  };
  return kernels[attention];
}
