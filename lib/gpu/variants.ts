/**
 * What depends on the kind of adapter, all of it. Nothing here may depend on how many rows are in
 * flight: the order of every sum is a matter of shape and adapter.
 */
export interface Variants {
  /** Rows and columns of the outputs that one invocation of a matmul owns, in registers. */
  readonly tile: readonly [number, number];
  /** Rows and columns of invocations in a matmul's workgroup. */
  readonly tileGroup: readonly [number, number];
  /** Invocations that share a row in rmsnorm, logprob and sample; fixes the order of their sums. */
  readonly lanes: number;
  /** Decoding steps between two looks at the drawn tokens. */
  readonly readEvery: number;
  readonly why: string;
}

const GPU_VARIANTS: Variants = {
  tile: [4, 8],
  tileGroup: [8, 8],
  lanes: 64,
  readEvery: 8,
  why: "on a GPU lanes are many, and a look at the tokens leaves it idle",
};

const SOFTWARE_VARIANTS: Variants = {
  ...GPU_VARIANTS,
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

/** What was chosen, in words. */
export function describeVariants({ tile, tileGroup, lanes, readEvery }: Variants): string[] {
  return [
    `matmul: tiles of ${tile.join(" x ")} in registers, no barrier, ${tileGroup.join(" x ")} tiles a workgroup`,
    `rmsnorm, logprob, sample: ${lanes === 1 ? "one invocation" : `${lanes} invocations`} a row`,
    `sampling: tokens are read back ${readEvery === 1 ? "after every step" : `every ${readEvery} steps`}`,
  ];
}
