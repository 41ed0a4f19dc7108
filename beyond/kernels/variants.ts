import { UserError } from "../../lib/errors.ts";
import { MOST_SPLIT_QUERIES } from "../../lib/model/ops/attention.ts";
import { ATTENTION_FAMILIES, type AttentionKernel, attentionFamily } from "./attention-families.ts";
import { type AttentionVariants, LEAST_MEMORY, type Patience } from "./attention-family.ts";
import { MATMUL_FAMILIES, type MatmulKernel, matmulFamily } from "./matmul-families.ts";
import { type AdapterKind, LANES } from "./subgroups.ts";

/**
 * What depends on the kind of adapter, all of it. Nothing here may depend on how many rows are in
 * flight: the order of every sum is a matter of shape and adapter.
 */
export interface Variants extends AttentionVariants {
  /** Whether the core's kernels are to be run and nothing else. */
  readonly isPlain?: boolean;
  /** The family of beyond/kernels/matmul-families.ts that makes products of which `tuned` says nothing. */
  readonly matmul: MatmulKernel;
  /** The tiles of each family, by row class; one name is for all classes. */
  readonly tiles: Readonly<Record<MatmulKernel, string>>;
  readonly tuned: TuningTable;
  /** Of beyond/kernels/attention-families.ts. */
  readonly attention: AttentionKernel;
  /** Invocations that share a row in rmsnorm, logprob and sample; fixes the order of their sums. */
  readonly lanes: number;
  /** The same for rows as long as a vocabulary. */
  readonly wideLanes: number;
  /** Decoding steps between two looks at the drawn tokens. */
  readonly readEvery: number;
  /** Tokens up to which a decoding pass of more tokens gives more of them a second; no guess is checked in a larger one. */
  readonly checkedTokens: number;
  readonly why: string;
}

/** What tuning chose: from the key of a product's shape to a family and its tiles; of attention's to a way. */
export type TuningTable = Readonly<Record<string, string>>;

type Defaults = Omit<Variants, "tiles">;

const GPU_VARIANTS: Defaults = {
  matmul: "tiled",
  subgroupMatrix: null,
  tuned: {},
  attention: "tiled",
  attentionMemory: LEAST_MEMORY,
  splitQueries: MOST_SPLIT_QUERIES,
  plainQueries: 0,
  subgroupLanes: 4,
  subgroupElements: 16,
  subgroupSlice: 4,
  lanes: 64,
  wideLanes: 256,
  readEvery: 2,
  checkedTokens: Number.POSITIVE_INFINITY,
  why: "on a GPU lanes are many, and a step is short beside a look at the tokens",
};

const SOFTWARE_VARIANTS: Defaults = {
  ...GPU_VARIANTS,
  matmul: "plain",
  attention: "plain",
  splitQueries: 64, // one workgroup
  plainQueries: 64,
  lanes: 1,
  wideLanes: 32,
  readEvery: 1,
  checkedTokens: 64, // two cores have no lane to spare then
  why: "on a CPU barriers are dear, and a step is long beside a look at the tokens",
};

const SWIFTSHADER_VARIANTS: Defaults = {
  ...SOFTWARE_VARIANTS,
  subgroupElements: 128,
  subgroupSlice: 16, // arrays that a loop indexes are slow
  why: `${SOFTWARE_VARIANTS.why}; SwiftShader's loads are dear too`,
};

const VARIANTS: Readonly<Record<AdapterKind, Defaults>> = {
  hardware: GPU_VARIANTS,
  software: SOFTWARE_VARIANTS,
  SwiftShader: SWIFTSHADER_VARIANTS,
};

/** The variants for an adapter of this name. `subgroupLanes` are those of all its subgroups, 0 if it does not say. */
export function chooseVariants(name: string, isSoftware: boolean, subgroupLanes = 0): Variants {
  const software = name.startsWith("SwiftShader") ? "SwiftShader" : "software";
  const kind = isSoftware ? software : "hardware";
  const built = MATMUL_FAMILIES.map((family) => [family.name, family.builtIn(kind, subgroupLanes)]);
  const variants: Variants = { ...VARIANTS[kind], tiles: Object.fromEntries(built) };
  if (!isSoftware || !LANES.includes(subgroupLanes)) return variants;
  // its kernel for chunks of keys loads each key once for all heads that share it
  const splitQueries = MOST_SPLIT_QUERIES;
  return { ...variants, attention: "subgroup", subgroupLanes, splitQueries };
}

/**
 * What SwiftShader's first kernels do before those that are long in compiling are: 1.3 s for each product of 16 x 16,
 * which makes a GFLOP 0.03 s sooner than its tiles for few rows, and 2 s for each pass of the attention of subgroups,
 * which saves 0.3 s a GFLOP.
 */
const SWIFTSHADER_PATIENCE: Patience = { products: 2e10, queries: 1.6e7 };

/** For runs, which may be short, on an adapter of this name; what tests or measures a kernel has it at once. */
export const patienceOn = (name: string): Patience | undefined =>
  name.startsWith("SwiftShader") ? SWIFTSHADER_PATIENCE : undefined;

/** The kernel of `families` that an environment variable asks for, if it does. @throws UserError if there is none such */
function requested<Name extends string>(
  variable: string,
  families: readonly { readonly name: Name }[],
  request: string | undefined,
): Name | undefined {
  if (!request) return undefined;
  const names = families.map(({ name }) => name);
  if (names.includes(request as Name)) return request as Name;
  const known = `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
  throw new UserError(`${variable} is ${known}, not "${request}"`);
}

/** The matmul that RLEXPLORE_MATMUL asks for, if it does. @throws UserError if there is none such */
export const requestedMatmul = (request = process.env.RLEXPLORE_MATMUL) =>
  requested("RLEXPLORE_MATMUL", MATMUL_FAMILIES, request);

/** The attention that RLEXPLORE_ATTENTION asks for, if it does. @throws UserError if there is none such */
export const requestedAttention = (request = process.env.RLEXPLORE_ATTENTION) =>
  requested("RLEXPLORE_ATTENTION", ATTENTION_FAMILIES, request);

/** What was chosen, in words. */
export function describeVariants(variants: Variants): string[] {
  const { matmul, attention, tiles, lanes, wideLanes, readEvery } = variants;
  const names = [...new Set(tiles[matmul].split(" "))].join(" or ");
  return [
    `matmul: ${matmul}, ${matmulFamily(matmul).describe?.(names) ?? `workgroups of ${names} by the rows`}`,
    `attention: ${attention}${attentionFamily(attention).describe(variants)}`,
    `rmsnorm, logprob, sample: ${lanes === 1 ? "one invocation" : `${lanes} invocations`} a row, ${wideLanes} a long one`,
    `sampling: tokens are read back ${readEvery === 1 ? "after every step" : `every ${readEvery} steps`}`,
  ];
}
