import { Kernel, SLOT_BYTES } from "./kernel.ts";
import type { Tensor } from "./memory.ts";
import { assemble } from "./wgsl.ts";

/** Dispatches that one submission may hold. */
export const SLOTS = 1024;
/** What each of them has of the uniform buffer. */
export const SLOT_WORDS = SLOT_BYTES / 4;
const MAX_GROUPS = 65_535;

/**
 * The command stream: dispatches are recorded into one compute pass and submitted together.
 * Their parameters go through one uniform buffer with dynamic offsets, so that a step that repeats
 * creates no buffer and no bind group.
 */
export class Commands {
  private readonly kernels = new Map<string, Kernel>();
  private readonly uniform: GPUBuffer;
  /** What goes to `uniform` with the next submission, a slot for each dispatch. */
  protected readonly staging = new Uint32Array(SLOTS * SLOT_WORDS);
  protected used = 0;
  /** The parameters of the dispatch at hand: the same words, by their types. */
  protected readonly params = new Uint32Array(SLOT_WORDS);
  private readonly signed = new Int32Array(this.params.buffer);
  private readonly floats = new Float32Array(this.params.buffer);
  protected encoder: GPUCommandEncoder | undefined;
  protected pass: GPUComputePassEncoder | undefined;
  /** Buffers for read-backs that are not in use, by size. */
  private readonly readBuffers = new Map<number, GPUBuffer[]>();
  /** What the work from here on is for, for those who time it. */
  stage = "other";

  /** @param check throws what the device has complained about, if anything */
  constructor(
    protected readonly device: GPUDevice,
    protected readonly check: () => void,
  ) {
    this.uniform = device.createBuffer({
      label: "kernel parameters",
      size: SLOTS * SLOT_BYTES,
      usage: 0x40 /* UNIFORM */ | 0x08 /* COPY_DST */,
    });
  }

  /** The kernel of an entry point with these constants and halves, compiled on first use. */
  kernel(
    name: string,
    source: string,
    entryPoint: string,
    constants: Readonly<Record<string, number>> = {},
    halves: readonly string[] = [],
  ): Kernel {
    let key = `${name}.${entryPoint}`;
    for (const constant in constants) key += ` ${constant}=${constants[constant]}`;
    if (halves.length > 0) key += ` f16=${halves}`;
    let kernel = this.kernels.get(key);
    if (!kernel) {
      kernel = this.compile(key, assemble(source, constants), entryPoint, halves);
      this.kernels.set(key, kernel);
    }
    return kernel;
  }

  protected compile(label: string, shader: string, entryPoint: string, halves: readonly string[]) {
    return new Kernel(this.device, label, shader, entryPoint, halves);
  }

  /**
   * Records one dispatch. `params` are the fields of the shader's `Params`; `groups` counts
   * workgroups in x, y, z. An x beyond the 65,535 a dimension may hold is folded into y, and the
   * shader reads its index back with `workgroup.x + workgroup.y * groups.x`.
   */
  dispatch(
    kernel: Kernel,
    tensors: Readonly<Record<string, Tensor>>,
    params: Readonly<Record<string, number>>,
    groups: readonly [number, number?, number?],
  ): void {
    let [x, y = 1, z = 1] = groups;
    if (x === 0 || y === 0 || z === 0) return;
    if (x > MAX_GROUPS) {
      if (y !== 1) throw new RangeError(`${kernel.label}: ${x} x ${y} workgroups`);
      y = Math.ceil(x / MAX_GROUPS);
      x = Math.ceil(x / y);
    }
    const group = kernel.bind(tensors, this.uniform);
    for (let i = 0; i < kernel.params.length; i++) {
      const { name, type } = kernel.params[i];
      const value = params[name];
      if (value === undefined) throw new Error(`${kernel.label} needs the parameter "${name}"`);
      if (type === "f32") this.floats[i] = value;
      else if (type === "i32") this.signed[i] = value;
      else this.params[i] = value;
    }
    this.encode(kernel, group, x, y, z);
  }

  /** Adds a dispatch with the parameters at hand to the pass. */
  protected encode(kernel: Kernel, group: GPUBindGroup, x: number, y: number, z: number): void {
    if (this.used === SLOTS) this.submit();
    const slot = this.used++;
    for (let i = 0; i < kernel.params.length; i++) {
      this.staging[slot * SLOT_WORDS + i] = this.params[i];
    }
    this.encoder ??= this.device.createCommandEncoder();
    this.pass ??= this.encoder.beginComputePass();
    kernel.encode(this.pass, group, slot * SLOT_BYTES);
    this.pass.dispatchWorkgroups(x, y, z);
  }

  copy(from: Tensor, to: Tensor, length = from.length, fromStart = 0, toStart = 0): void {
    this.outsidePass().copyBufferToBuffer(
      from.buffer,
      from.offset + fromStart * 4,
      to.buffer,
      to.offset + toStart * 4,
      length * 4,
    );
  }

  clear(tensor: Tensor): void {
    this.outsidePass().clearBuffer(
      tensor.buffer,
      tensor.offset,
      tensor.length * tensor.elementBytes,
    );
  }

  /** Hands what is recorded to the GPU. Cheap: call it to keep submissions short. */
  submit(): void {
    if (!this.encoder) return;
    this.endPass();
    const { queue } = this.device;
    queue.writeBuffer(this.uniform, 0, this.staging, 0, this.used * SLOT_WORDS);
    queue.submit([this.encoder.finish()]);
    this.encoder = undefined;
    this.used = 0;
  }

  /**
   * Submits, waits, and copies the first `into[i].length` elements of each tensor to `into[i]`. More work
   * may be given to the GPU before that is done: what comes back is what the tensors held when it was asked for.
   * @throws GpuError if the device failed in the meantime.
   */
  async read(
    tensors: readonly Tensor[],
    into: readonly (Float32Array | Uint32Array)[],
  ): Promise<void> {
    let bytes = 0;
    for (const array of into) bytes += array.byteLength;
    const size = Math.max(1024, 2 ** Math.ceil(Math.log2(Math.max(1, bytes))));
    const buffer = this.readBuffers.get(size)?.pop() ?? this.newReadBuffer(size);
    const encoder = this.outsidePass();
    for (let i = 0, at = 0; i < tensors.length; at += into[i++].byteLength) {
      const { buffer: source, offset } = tensors[i];
      encoder.copyBufferToBuffer(source, offset, buffer, at, into[i].byteLength);
    }
    this.submit();
    try {
      await buffer.mapAsync(1 /* READ */, 0, Math.max(4, bytes));
    } catch (error) {
      this.check();
      throw error;
    }
    this.check();
    const mapped = buffer.getMappedRange(0, Math.max(4, bytes));
    for (let i = 0, at = 0; i < into.length; at += into[i++].byteLength) {
      const target = into[i];
      new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(
        new Uint8Array(mapped, at, target.byteLength),
      );
    }
    buffer.unmap();
    this.readBuffers.get(size)?.push(buffer);
  }

  protected endPass(): void {
    this.pass?.end();
    this.pass = undefined;
  }

  /** For what is not a dispatch. */
  protected outsidePass(): GPUCommandEncoder {
    this.endPass();
    this.encoder ??= this.device.createCommandEncoder();
    return this.encoder;
  }

  private newReadBuffer(size: number): GPUBuffer {
    if (!this.readBuffers.has(size)) this.readBuffers.set(size, []);
    return this.device.createBuffer({
      label: `read-back of ${size} bytes`,
      size,
      usage: 0x01 /* MAP_READ */ | 0x08 /* COPY_DST */,
    });
  }
}
