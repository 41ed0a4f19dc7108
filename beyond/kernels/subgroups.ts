/** What kernels may ask of an adapter: its subgroups, and its subgroup matrices (tensor cores). */

/** The size of a subgroup matrix product: [M, K] by [K, N]. */
export interface SubgroupMatrix {
  readonly M: number;
  readonly N: number;
  readonly K: number;
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

type SubgroupMatrixConfig = Omit<SubgroupMatrix, "shallow"> &
  Record<"componentType" | "resultComponentType", string>;

/** Invocations of a subgroup, where the adapter has subgroups and all are of one size; else 0. */
export function subgroupLanes({ features, adapterInfo }: SubgroupDevice["device"]): number {
  const { subgroupMinSize = 0, subgroupMaxSize } = adapterInfo;
  return features.has("subgroups") && subgroupMinSize === subgroupMaxSize ? subgroupMinSize : 0;
}

/** Lanes of subgroups that kernels are cut for where all subgroups have as many. */
export const LANES: readonly number[] = [4, 8, 16];

/** A device, and the matrices that were chosen on it. */
export interface SubgroupDevice {
  readonly device: Pick<GPUDevice, "features" | "limits" | "adapterInfo">;
  readonly variants: { readonly subgroupMatrix: SubgroupMatrix | null };
}

/** What a kernel may not run without, in words, and whether a device has it. */
const REQUIREMENTS = {
  subgroups: ({ device }: SubgroupDevice) => device.features.has("subgroups"),
  "subgroup matrices of f16": ({ device, variants }: SubgroupDevice) =>
    device.features.has("chromium-experimental-subgroup-matrix" as GPUFeatureName) &&
    variants.subgroupMatrix !== null,
};

export interface Requiring {
  readonly requires?: keyof typeof REQUIREMENTS;
}

export const runsOn = (gpu: SubgroupDevice, { requires }: Requiring) =>
  requires === undefined || REQUIREMENTS[requires](gpu);

/** What built-in choices depend on, beside the lanes of all subgroups. */
export type AdapterKind = "hardware" | "software" | "SwiftShader";
