/**
 * Tensors and the accounting of the memory behind them. Everything a run needs is allocated once,
 * through an `Allocator`; running the same constructors against a `MemoryPlanner` first tells the
 * bytes by part without touching the device, so the plan cannot disagree with the run.
 */

export const MEMORY_PARTS = [
  "weights",
  "gradients",
  "optimizer",
  "activations",
  "KV cache",
  "buffers",
] as const;
export type MemoryPart = (typeof MEMORY_PARTS)[number];

/** 4 for f32 and u32, 2 for f16. */
export type ElementBytes = 2 | 4;

/** A range of a GPU buffer holding `length` elements. */
export interface Tensor {
  readonly id: number;
  readonly name: string;
  readonly buffer: GPUBuffer;
  /** Bytes from the start of `buffer`. */
  readonly offset: number;
  readonly length: number;
  readonly elementBytes: ElementBytes;
}

export interface Allocator {
  /** The largest range, in bytes, that one shader binding may cover. */
  readonly bindingLimit: number;
  readonly bufferLimit: number;
  /** Offsets of bound ranges must be multiples of this many bytes. */
  readonly alignment: number;
  /** `elementBytes` is 4 by default. */
  allocate(part: MemoryPart, name: string, length: number, elementBytes?: ElementBytes): Tensor;
}

/** Bytes of a buffer for `length` elements: whole vec4f, which is how shaders bind them. */
export const allocationBytes = (length: number, elementBytes: ElementBytes = 4) =>
  Math.max(16, Math.ceil((length * elementBytes) / 16) * 16);

let nextId = 1;

/** Makes the tensor for a range of a buffer. Ids key the bind-group caches: make each view once. */
export function makeTensor(
  name: string,
  buffer: GPUBuffer,
  offset: number,
  length: number,
  elementBytes: ElementBytes = 4,
): Tensor {
  return { id: nextId++, name, buffer, offset, length, elementBytes };
}

/** A view of `length` elements of `tensor`, starting `start` elements into it. */
export function view(tensor: Tensor, name: string, start: number, length: number): Tensor {
  if (start < 0 || start + length > tensor.length) {
    throw new RangeError(`view ${name} exceeds ${tensor.name}`);
  }
  const { buffer, offset, elementBytes } = tensor;
  return makeTensor(name, buffer, offset + start * elementBytes, length, elementBytes);
}

/** Adds up what would be allocated, by part, without a device. */
export class MemoryPlanner implements Allocator {
  readonly bytes = new Map<MemoryPart, number>();
  largest: { part: MemoryPart; name: string; bytes: number } = {
    part: "weights",
    name: "",
    bytes: 0,
  };

  constructor(
    readonly bindingLimit: number,
    readonly bufferLimit: number,
    readonly alignment: number,
  ) {}

  allocate(part: MemoryPart, name: string, length: number, elementBytes?: ElementBytes): Tensor {
    const bytes = allocationBytes(length, elementBytes);
    this.bytes.set(part, (this.bytes.get(part) ?? 0) + bytes);
    if (bytes > this.largest.bytes) this.largest = { part, name, bytes };
    return makeTensor(name, undefined as unknown as GPUBuffer, 0, length, elementBytes);
  }

  get total(): number {
    let sum = 0;
    for (const bytes of this.bytes.values()) sum += bytes;
    return sum;
  }
}
