import sources from "../../shaders/attention.wgsl" with { type: "text" };
import { AdapterAttention, type Family, LEAST_MEMORY } from "./attention-family.ts";
import { matrix } from "./attention-matrix.ts";
import { subgroup } from "./attention-subgroup.ts";
import { tiled } from "./attention-tiled.ts";

/** The core's attention, which has all passes that others lack. */
const plain: Family<"plain"> = {
  name: "plain",
  sources,
  memories: () => [LEAST_MEMORY],
  create: (kernels, headDim, variants) => new AdapterAttention(kernels, headDim, variants),
  describe: () => ", an invocation a query and head, no barrier",
};

/** All of them. */
export const ATTENTION_FAMILIES = [plain, tiled, subgroup, matrix] as const;

export type AttentionFamily = (typeof ATTENTION_FAMILIES)[number];
export type AttentionKernel = AttentionFamily["name"];

export const attentionFamily = (kernel: AttentionKernel) =>
  ATTENTION_FAMILIES.find(({ name }) => name === kernel) as AttentionFamily;
