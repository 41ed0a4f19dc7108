import { GpuError } from "../errors.ts";
import { Commands } from "./commands.ts";
import {
  type Allocator,
  allocationBytes,
  type ElementBytes,
  type MemoryPart,
  makeTensor,
  type Tensor,
} from "./memory.ts";

const USAGE =
  // Literal bits, because the GPUBufferUsage global exists only once Dawn is loaded.
  0x80 /* STORAGE */ | 0x04 /* COPY_SRC */ | 0x08; /* COPY_DST */

export interface GpuOptions {
  /** Lowers, in bytes, what one binding may cover: tests use it to reach the paths that split large tensors. */
  bindingLimit?: number;
  makeCommands?: (device: GPUDevice, check: () => void) => Commands;
}

/** An open device with the one command stream and the one allocator everything shares. */
export class Gpu implements Allocator {
  readonly bindingLimit: number;
  readonly bufferLimit: number;
  readonly alignment: number;
  readonly commands: Commands;
  protected readonly buffers: GPUBuffer[] = [];
  private failure: string | undefined;
  private closed = false;

  /** @param name what messages call it */
  constructor(
    readonly device: GPUDevice,
    readonly name: string,
    {
      bindingLimit = Number.POSITIVE_INFINITY,
      makeCommands = (...given) => new Commands(...given),
    }: GpuOptions = {},
  ) {
    this.bindingLimit = Math.min(bindingLimit, device.limits.maxStorageBufferBindingSize);
    this.bufferLimit = device.limits.maxBufferSize;
    this.alignment = device.limits.minStorageBufferOffsetAlignment;
    this.commands = makeCommands(device, () => this.check());
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault(); // or Dawn prints it too
      this.failure ??= describeError((event as GPUUncapturedErrorEvent).error);
    });
    device.lost.then(({ message }) => {
      if (!this.closed) this.failure ??= `the GPU was lost: ${message.trim().split("\n")[0]}`;
    });
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
    return makeTensor(name, buffer, 0, length, elementBytes);
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
export function describeError({ message, constructor: { name } }: GPUError): string {
  const kernel = /(?:ShaderModule|Pipeline|BindGroup)\w* "+([^"]+)"/.exec(message)?.[1];
  const kind = name === "GPUOutOfMemoryError" ? "the GPU is out of memory" : "the GPU refused";
  return `${kind}${kernel ? ` ${kernel}` : ""}: ${message.trim().split("\n")[0]}`;
}
