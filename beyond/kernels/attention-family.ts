import type { Tensor } from "../../lib/gpu/memory.ts";
import type { BackwardTensors, ForwardTensors } from "../../lib/model/ops/attention.ts";
import type { HeadShape } from "../../lib/model/ops/heads.ts";
import type { Kernels } from "../../lib/model/ops/kernels.ts";
import type { Dtype } from "../storage/precision.ts";
import type { Requirement, SubgroupMatrix } from "./subgroups.ts";

/** Bytes of workgroup memory that every adapter has. */
export const LEAST_MEMORY = 16_384;

/** What attention depends on of `Variants`. */
export interface AttentionVariants {
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

/** The passes of lib/model/ops/attention.ts that a family has, all or some. */
export interface AttentionPasses {
  /** o[T, H, D] and lse[T, H]. */
  forward?(tensors: ForwardTensors, tokens: number, shape: HeadShape, isDecoding: boolean): void;
  /** The same in decoding, of each chunk of keys apart, left in `partials`. */
  forwardChunks?(
    tensors: ForwardTensors & { partials: Tensor },
    tokens: number,
    shape: HeadShape,
    chunks: number,
  ): void;
  /** dq, dk and dv, with `softmax` as scratch. */
  backward?(tensors: BackwardTensors, tokens: number, shape: HeadShape): void;
  /** The same, with `softmax` as attention.wgsl's backward_delta leaves it. */
  backwardFromDelta?(tensors: BackwardTensors, tokens: number, shape: HeadShape): void;
}

export interface AttentionPass {
  readonly name: keyof AttentionPasses;
  /** Of q, k and v. */
  readonly dtype: Dtype;
  /** A head counted as one. */
  readonly queries: number;
  readonly isDecoding: boolean;
}

/** One way to compute attention; two may differ in bits. */
export interface Family<Name extends string> {
  readonly name: Name;
  /** Its shaders, whole. */
  readonly sources: string | Readonly<Record<string, string>>;
  readonly requires?: Requirement;
  /** Whether it, or what computes for it, has tiles that fill `attentionMemory`. */
  readonly hasMemory?: boolean;
  /** Whether gradients are rounded to f16 where they are factors, with activations in f16. */
  readonly roundsGradients?: boolean;
  /** What has the passes that it lacks or does not compute; else it is the core's attention. */
  readonly otherwise?: Family<string>;
  /** The `attentionMemory` of each way that tuning tries, of `limit` at most; `matrices` are for q, k and v in f16. */
  memories(headDim: number, limit: number, matrices: SubgroupMatrix | null): readonly number[];
  /** Which of its passes it computes, if not all. */
  computes?(pass: AttentionPass, variants: AttentionVariants): boolean;
  /** Compiles it for heads of `headDim`; null if it has no passes for such. */
  create(kernels: Kernels, headDim: number, variants: AttentionVariants): AttentionPasses | null;
  /** It in words, after its name. */
  describe(variants: AttentionVariants): string;
}
