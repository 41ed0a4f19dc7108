import f16 from "../../../beyond/storage/f16.wgsl" with { type: "text" };
import halves from "../../../beyond/storage/f16-halves.wgsl" with { type: "text" };
import q4_1 from "../../../beyond/storage/q4_1.wgsl" with { type: "text" };
import q8_0 from "../../../beyond/storage/q8_0.wgsl" with { type: "text" };
import type { WeightFormat } from "../../../beyond/storage/weight-formats.ts";
import f32 from "../../../shaders/weights/f32.wgsl" with { type: "text" };
import type { Kernels } from "./kernels.ts";

const WEIGHT_READERS: Readonly<Record<WeightFormat, string>> = { f32, f16, q8_0, q4_1 };
/** The files of shaders/weights/. */
export const WEIGHT_SOURCES = [...Object.values(WEIGHT_READERS), halves];
const FORMATS = Object.keys(WEIGHT_READERS) as WeightFormat[];

/**
 * A shader with the file of shaders/weights/ before it through which it reads matrices of a format; f16 stays so
 * where the shader computes with it.
 */
export function withWeights(source: string, format: WeightFormat): string {
  const isHalf = format === "f16" && source.includes("enable f16;");
  return `${isHalf ? halves : WEIGHT_READERS[format]}\n${source}`;
}

/** Names entry points that read a matrix, once for each format, for `weightKernel`. */
export function addWeightKernels(
  kernels: Kernels,
  shader: string,
  source: string,
  entries: string,
  constants: Record<string, number> = {},
): void {
  for (const format of FORMATS) {
    kernels.add(named(shader, format), withWeights(source, format), entries, constants);
  }
}

/** The kernel of an entry point for matrices of a format. */
export const weightKernel = (shader: string, format: string, entry: string) =>
  `${named(shader, format)}.${entry}`;

const named = (shader: string, format: string) =>
  format === "f32" ? shader : `${shader}/${format}`;
