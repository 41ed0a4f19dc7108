import {
  chooseSubgroupMatrix,
  chooseVariants,
  requestedAttention,
  requestedMatmul,
  subgroupLanes,
  type Variants,
} from "../../beyond/kernels/variants.ts";
import { type FoundAdapter, findAdapter } from "../../beyond/platform/adapter.ts";
import { GpuError, UserError } from "../errors.ts";
import { Commands } from "./commands.ts";
import {
  type Allocator,
  allocationBytes,
  type ElementBytes,
  type MemoryPart,
  makeTensor,
  type Tensor,
} from "./memory.ts";

const WANTED_FEATURES = [
  "shader-f16",
  "subgroups",
  "subgroup-size-control",
  "chromium-experimental-subgroup-matrix",
  "timestamp-query",
] as GPUFeatureName[];
const USAGE =
  // Literal bits, because the GPUBufferUsage global exists only once Dawn is loaded.
  0x80 /* STORAGE */ | 0x04 /* COPY_SRC */ | 0x08; /* COPY_DST */

type RequestedKernels = Partial<Pick<Variants, "matmul" | "attention">>;

/** An open device with the one command stream and the one allocator everything shares. */
export class Gpu implements Allocator {
  readonly bindingLimit: number;
  readonly bufferLimit: number;
  readonly alignment: number;
  readonly commands: Commands;
  /** How kernels are compiled here. */
  readonly variants: Variants;
  allocatedBytes = 0;
  private failure: string | undefined;
  private closed = false;
  private readonly buffers: GPUBuffer[] = [];

  private constructor(
    readonly found: FoundAdapter,
    readonly device: GPUDevice,
    bindingLimit: number,
    { matmul, attention }: RequestedKernels,
  ) {
    this.bindingLimit = Math.min(bindingLimit, device.limits.maxStorageBufferBindingSize);
    this.bufferLimit = device.limits.maxBufferSize;
    this.alignment = device.limits.minStorageBufferOffsetAlignment;
    const variants = chooseVariants(found.name, this.isSoftware, subgroupLanes(device));
    const subgroupMatrix = chooseSubgroupMatrix(
      found.adapter.info,
      device.limits.maxComputeWorkgroupStorageSize,
    );
    if (matmul === "matrix" && !subgroupMatrix) {
      throw new UserError(
        `${found.name} has no subgroup matrices of f16; RLEXPLORE_MATMUL=tiled does without`,
      );
    }
    if (matmul === "lanes" && !device.features.has("subgroups")) {
      throw new UserError(`${found.name} has no subgroups; RLEXPLORE_MATMUL=tiled does without`);
    }
    this.variants = {
      ...variants,
      matmul: matmul ?? variants.matmul,
      attention: attention ?? variants.attention,
      subgroupMatrix,
    };
    if (this.variants.attention === "subgroup" && !device.features.has("subgroups")) {
      throw new UserError(
        "this adapter has no subgroups: RLEXPLORE_ATTENTION is plain or tiled here",
      );
    }
    if (this.variants.attention === "matrix" && !this.variants.subgroupMatrix) {
      throw new UserError(
        `${found.name} has no subgroup matrices of f16; RLEXPLORE_ATTENTION=tiled does without`,
      );
    }
    this.commands = new Commands(this);
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault(); // or Dawn prints it too
      this.failure ??= describe((event as GPUUncapturedErrorEvent).error);
    });
    device.lost.then(({ message }) => {
      if (!this.closed) this.failure ??= `the GPU was lost: ${message.trim().split("\n")[0]}`;
    });
  }

  /**
   * Opens the adapter `request` names (see `findAdapter`) with all the limits it offers.
   * `bindingLimit` lowers, in bytes, what one binding may cover: tests use it to reach the paths
   * that split large tensors. `matmul` and `attention` take the place of the adapter's, as do
   * RLEXPLORE_MATMUL and RLEXPLORE_ATTENTION.
   */
  static async open(
    request?: string,
    {
      bindingLimit = Number.POSITIVE_INFINITY,
      matmul = requestedMatmul(),
      attention = requestedAttention(),
    }: { bindingLimit?: number } & RequestedKernels = {},
  ): Promise<Gpu> {
    const found = await findAdapter(request);
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
    return new Gpu(found, device, bindingLimit, { matmul, attention });
  }

  /** True on adapters that run shaders on the CPU, where barriers are dear and lanes are few. */
  get isSoftware(): boolean {
    return this.found.kind !== "hardware";
  }

  allocate(part: MemoryPart, name: string, length: number, elementBytes?: ElementBytes): Tensor {
    const size = allocationBytes(length, elementBytes);
    const label = `${part}: ${name}`;
    if (size > this.bufferLimit) {
      throw new GpuError(
        `${label} needs ${size} bytes, more than the ${this.bufferLimit} this adapter allows in one buffer`,
      );
    }
    const buffer = this.device.createBuffer({ label, size, usage: USAGE });
    this.buffers.push(buffer);
    this.allocatedBytes += size;
    return makeTensor(name, buffer, 0, length, elementBytes);
  }

  /** Gives back what `allocate` gave, for work that comes before a run or beside it. */
  free(tensors: readonly Tensor[]): void {
    for (const { buffer } of tensors) {
      this.allocatedBytes -= buffer.size;
      this.buffers.splice(this.buffers.indexOf(buffer), 1);
      buffer.destroy();
    }
  }

  /** Writes words of four bytes to the beginning of `tensor`; of halves, two make one. */
  upload(tensor: Tensor, data: Float32Array | Uint32Array, start = 0, count = data.length): void {
    if (count * 4 > tensor.length * tensor.elementBytes)
      throw new RangeError(`upload overruns ${tensor.name}`);
    // The commands recorded so far were meant to see the old contents.
    this.commands.submit();
    this.device.queue.writeBuffer(
      tensor.buffer,
      tensor.offset,
      data.buffer as ArrayBuffer,
      data.byteOffset + start * 4,
      count * 4,
    );
  }

  /** Submits what is recorded and copies the first `into.length` elements of `tensor` to `into`. */
  async read<T extends Float32Array | Uint32Array>(tensor: Tensor, into: T): Promise<T> {
    await this.commands.read([tensor], [into]);
    return into;
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
        if (error) complaint = describe(error);
      }
    }
    return complaint;
  }

  /** Throws what the device has complained about since it was opened, if anything. */
  check(): void {
    if (this.failure !== undefined) throw new GpuError(this.failure);
  }

  destroy(): void {
    this.closed = true;
    for (const buffer of this.buffers) buffer.destroy();
    this.device.destroy();
  }
}

/** One line out of Dawn's several: the kernel, if it knows, and what is wrong. */
function describe({ message, constructor: { name } }: GPUError): string {
  const kernel = /(?:ShaderModule|Pipeline|BindGroup)\w* "+([^"]+)"/.exec(message)?.[1];
  const kind = name === "GPUOutOfMemoryError" ? "the GPU is out of memory" : "the GPU refused";
  return `${kind}${kernel ? ` ${kernel}` : ""}: ${message.trim().split("\n")[0]}`;
}
