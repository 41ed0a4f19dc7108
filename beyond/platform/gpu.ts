import { findAdapter } from "#platform/gpu.ts";
import { GpuError, UserError } from "../../lib/errors.ts";
import { Commands } from "../../lib/gpu/commands.ts";
import { describeError, Gpu } from "../../lib/gpu/device.ts";
import type { Tensor } from "../../lib/gpu/memory.ts";
import { attentionFamily } from "../kernels/attention-families.ts";
import { matmulFamily } from "../kernels/matmul-families.ts";
import { chooseSubgroupMatrix, runsOn, subgroupLanes } from "../kernels/subgroups.ts";
import {
  chooseVariants,
  requestedAttention,
  requestedMatmul,
  type Variants,
} from "../kernels/variants.ts";
import { stepsALook } from "../scheduling/look-ahead.ts";
import { Pace } from "../scheduling/pace.ts";
import { ScheduledCommands } from "../scheduling/scheduled-commands.ts";
import type { FoundAdapter, GpuBackend } from "./runtime.ts";

const WANTED_FEATURES = [
  "shader-f16",
  "subgroups",
  "subgroup-size-control",
  "chromium-experimental-subgroup-matrix",
  "timestamp-query",
] as GPUFeatureName[];

interface SystemGpuOptions extends Partial<Pick<Variants, "matmul" | "attention">> {
  /** See `GpuOptions`. */
  bindingLimit?: number;
  backend?: GpuBackend;
  /** Whether kernels and command stream are the core's own. */
  plain?: boolean;
}

/** A GPU of this machine, or software that acts as one, opened by name. */
export class SystemGpu extends Gpu {
  /** How kernels are compiled here. */
  readonly variants: Variants;

  private constructor(
    readonly found: FoundAdapter,
    device: GPUDevice,
    { bindingLimit, plain, ...requested }: SystemGpuOptions,
  ) {
    const pace = new Pace(isSoftware(found));
    super(device, found.name, {
      bindingLimit,
      makeCommands: (...given) =>
        plain ? new Commands(...given) : new ScheduledCommands(...given, pace),
    });
    this.variants = { ...variantsOf(found, device, requested), isPlain: plain };
  }

  /**
   * Opens the adapter `request` names (see `GpuPlatform`) with all the limits it offers. `matmul` and
   * `attention` take the place of the adapter's, as do RLEXPLORE_MATMUL and RLEXPLORE_ATTENTION.
   */
  static async open(request?: string, options: SystemGpuOptions = {}): Promise<SystemGpu> {
    const { matmul = requestedMatmul(), attention = requestedAttention() } = options;
    const found = await findAdapter(request, options.backend);
    const { limits, features } = found.adapter;
    const device = await found.adapter.requestDevice({
      requiredFeatures: WANTED_FEATURES.filter((feature) => features.has(feature)),
      requiredLimits: {
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxBufferSize: limits.maxBufferSize,
        maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
        maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      },
    });
    return new SystemGpu(found, device, { ...options, matmul, attention });
  }

  /** True on adapters that run shaders on the CPU, where barriers are dear and lanes are few. */
  get isSoftware(): boolean {
    return isSoftware(this.found);
  }

  /** The command stream, unless the GPU was opened with the plain one. */
  get scheduled(): ScheduledCommands | undefined {
    return this.commands instanceof ScheduledCommands ? this.commands : undefined;
  }

  get allocatedBytes(): number {
    return this.buffers.reduce((sum, { size }) => sum + size, 0);
  }

  /** Gives back what `allocate` gave, for work that comes before a run or beside it. */
  free(tensors: readonly Tensor[]): void {
    for (const { buffer } of tensors) {
      this.buffers.splice(this.buffers.indexOf(buffer), 1);
      buffer.destroy();
    }
  }

  /** Does work that the device may refuse without harm to what comes after. @returns its complaint, or null */
  async attempt(work: () => Promise<void>): Promise<string | null> {
    const kinds = ["validation", "internal", "out-of-memory"] as const;
    for (const kind of kinds) this.device.pushErrorScope(kind);
    let complaint: string | null = null;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof GpuError)) throw error;
      complaint = error.message;
    } finally {
      for (const _ of kinds) {
        const error = await this.device.popErrorScope();
        if (error) complaint = describeError(error);
      }
    }
    return complaint;
  }
}

const isSoftware = ({ kind }: FoundAdapter) => kind !== "hardware";

/** @throws UserError for kernels that this adapter cannot run */
function variantsOf(
  found: FoundAdapter,
  device: GPUDevice,
  { matmul, attention }: Partial<Pick<Variants, "matmul" | "attention">>,
): Variants {
  const { name, adapter } = found;
  const { maxComputeWorkgroupStorageSize } = device.limits;
  const subgroupMatrix = chooseSubgroupMatrix(adapter.info, maxComputeWorkgroupStorageSize);
  const chosen = chooseVariants(name, isSoftware(found), subgroupLanes(device));
  const variants = {
    ...chosen,
    readEvery: stepsALook(found.lookSeconds, chosen.readEvery),
    matmul: matmul ?? chosen.matmul,
    attention: attention ?? chosen.attention,
    subgroupMatrix,
  };
  const asked = {
    MATMUL: matmulFamily(variants.matmul),
    ATTENTION: attentionFamily(variants.attention),
  };
  for (const [op, family] of Object.entries(asked)) {
    if (runsOn({ device, variants }, family)) continue;
    throw new UserError(`${name} has no ${family.requires}; RLEXPLORE_${op}=tiled does without`);
  }
  return variants;
}
