import { Attention } from "../../lib/model/ops/attention.ts";
import type { Kernels } from "../../lib/model/ops/kernels.ts";
import type { Dtype } from "../storage/precision.ts";
import type { Requiring, SubgroupMatrix } from "./subgroups.ts";

/** Bytes of workgroup memory that every adapter has. */
export const LEAST_MEMORY = 16_384;

/**
 * On an adapter that takes a second or two to compile a kernel that is fast: what quicker compiled ones, with the
 * same bits, do before such a kernel takes their place. By then it has cost no more than it would have saved.
 */
export interface Patience {
  /** Multiply-adds of the forward products. */
  readonly products: number;
  /** Elements of the queries that attended. */
  readonly queries: number;
}

/** What attention depends on of `Variants`. */
export interface AttentionVariants {
  /** Where it is left out, every kernel is compiled as soon as it is asked for. */
  readonly patience?: Patience;
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
}

/** Attention on an adapter: by the core's kernels, unless a subclass has others for a pass. */
export class AdapterAttention extends Attention {
  protected override readonly splitQueries: number;
  /** Whether gradients are rounded to f16 where they are factors, with activations in f16. */
  readonly roundsGradients: boolean = false;

  constructor(kernels: Kernels, headDim: number, { splitQueries }: AttentionVariants) {
    super(kernels, headDim);
    this.splitQueries = splitQueries;
  }
}

/** What gradients are rounded to where they are factors, with activations in `dtype`. */
export const gradientFactors = (attention: Attention, dtype: Dtype): Dtype =>
  dtype === "f16" && attention instanceof AdapterAttention && attention.roundsGradients
    ? "f16"
    : "f32";

/** One way to compute attention; two may differ in bits. */
export interface Family<Name extends string> extends Requiring {
  readonly name: Name;
  /** Its shaders, whole. */
  readonly sources: string | Readonly<Record<string, string>>;
  /** Whether it has tiles that fill `attentionMemory`. */
  readonly hasMemory?: boolean;
  /** The `attentionMemory` of each way that tuning tries, of `limit` at most; `matrices` are for q, k and v in f16. */
  memories(headDim: number, limit: number, matrices: SubgroupMatrix | null): readonly number[];
  create(kernels: Kernels, headDim: number, variants: AttentionVariants): AdapterAttention;
  /** It in words, after its name. */
  describe(variants: AttentionVariants): string;
}
