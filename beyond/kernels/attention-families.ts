import sources from "../../shaders/attention.wgsl" with { type: "text" };
import { type Family, LEAST_MEMORY } from "./attention-family.ts";
import { matrix } from "./attention-matrix.ts";
import { subgroup } from "./attention-subgroup.ts";
import { tiled } from "./attention-tiled.ts";

/** The core's attention, which computes all that others do not. */
const plain: Family<"plain"> = {
  name: "plain",
  sources,
  memories: () => [LEAST_MEMORY],
  create: () => null,
  describe: () => ", an invocation a query and head, no barrier",
};

/** All of them. */
export const ATTENTION_FAMILIES = [plain, tiled, subgroup, matrix] as const;

export type AttentionFamily = (typeof ATTENTION_FAMILIES)[number];
export type AttentionKernel = AttentionFamily["name"];

export const attentionFamily = (kernel: string): AttentionFamily | undefined =>
  ATTENTION_FAMILIES.find(({ name }) => name === kernel);
