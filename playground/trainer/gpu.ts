import { attentionFamily } from "../../beyond/kernels/attention-families.ts";
import { chooseSubgroupMatrix, runsOn, subgroupLanes } from "../../beyond/kernels/subgroups.ts";
import { chooseVariants, type Variants } from "../../beyond/kernels/variants.ts";
import { Pace } from "../../beyond/scheduling/pace.ts";
import { ScheduledCommands } from "../../beyond/scheduling/scheduled-commands.ts";
import { UserError } from "../../lib/errors.ts";
import { Gpu } from "../../lib/gpu/device.ts";

const WANTED_FEATURES = ["shader-f16", "subgroups"] as GPUFeatureName[];

/** Adapters that run shaders on the CPU, by the architecture that browsers tell. */
const SOFTWARE = ["swiftshader", "llvmpipe", "warp"];

/** The browser's GPU, with the kernels that the executable would run on it before any tuning. */
export class BrowserGpu extends Gpu {
  readonly variants: Variants;

  private constructor(
    device: GPUDevice,
    name: string,
    readonly scheduled: ScheduledCommands,
    readonly isSoftware: boolean,
  ) {
    super(device, name, { makeCommands: () => scheduled });
    const limit = device.limits.maxComputeWorkgroupStorageSize;
    const subgroupMatrix = chooseSubgroupMatrix(device.adapterInfo, limit);
    const chosen = chooseVariants(name, isSoftware, subgroupLanes(device));
    this.variants = { ...chosen, subgroupMatrix };
    if (!runsOn(this, attentionFamily(this.variants.attention))) {
      throw new UserError(`${name} lacks what its kernel of attention requires`);
    }
  }

  /** @throws UserError if the browser has no WebGPU, or no adapter for it */
  static async open(): Promise<BrowserGpu> {
    const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) throw new UserError("this browser gives no GPU to a page");
    const { limits, features, info } = adapter;
    const device = await adapter.requestDevice({
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
    const isSoftware = info.isFallbackAdapter || SOFTWARE.includes(info.architecture);
    let gpu: BrowserGpu | undefined;
    const commands = new ScheduledCommands(device, () => gpu?.check(), new Pace(isSoftware));
    gpu = new BrowserGpu(device, nameOf(info), commands, isSoftware);
    return gpu;
  }
}

/** The name that kernels are chosen by, and people know. */
function nameOf({ vendor, architecture, description }: GPUAdapterInfo): string {
  if (architecture === "swiftshader") return "SwiftShader";
  return description || [vendor, architecture].filter(Boolean).join(" ") || "a GPU";
}
