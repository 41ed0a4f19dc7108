import { napping } from "./dawn.ts";
import type { Gpu } from "./device.ts";
import { Kernel } from "./kernel.ts";
import type { Tensor } from "./memory.ts";
import { Pace } from "./pace.ts";
import { Profile, type ProfileDetail } from "./profile.ts";
import { Recording } from "./recording.ts";

const SLOT_BYTES = 256; // the largest minUniformBufferOffsetAlignment an adapter may have
const SLOTS = 1024;
const MAX_GROUPS = 65_535;
/** Dispatches that an idle GPU is given before more are recorded. */
const HEAD_START = 64;

/**
 * The command stream: dispatches are recorded into one compute pass and submitted together.
 * Their parameters go through one uniform buffer with dynamic offsets, so that a step that repeats
 * creates no buffer and no bind group.
 */
export class Commands {
  private readonly kernels = new Map<string, Kernel>();
  private readonly uniform: GPUBuffer;
  private readonly staging = new ArrayBuffer(SLOTS * SLOT_BYTES);
  private readonly words = new DataView(this.staging);
  private readonly readBuffers = new Map<number, GPUBuffer>();
  private encoder: GPUCommandEncoder | undefined;
  private pass: GPUComputePassEncoder | undefined;
  private used = 0;
  private recording: Recording | undefined;
  /** Whether all that was submitted is known to be done. */
  private isIdle = true;
  private profile: Profile | undefined;
  /** What the work recorded from here on is for: a profile adds up each stage by itself. */
  stage = "other";

  constructor(
    private readonly gpu: Gpu,
    private readonly pace = new Pace(gpu.isSoftware),
  ) {
    this.uniform = gpu.device.createBuffer({
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
      const cost = this.pace.newCost();
      kernel = new Kernel(this.gpu.device, key, source, entryPoint, constants, cost, halves);
      this.kernels.set(key, kernel);
    }
    return kernel;
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
    const group = kernel.bindGroup(tensors, this.uniform);
    const base = this.slot();
    for (let i = 0; i < kernel.params.length; i++) {
      const { name, type } = kernel.params[i];
      const value = params[name];
      if (value === undefined) throw new Error(`${kernel.label} needs the parameter "${name}"`);
      if (type === "f32") this.words.setFloat32(base + i * 4, value, true);
      else if (type === "i32") this.words.setInt32(base + i * 4, value, true);
      else this.words.setUint32(base + i * 4, value, true);
    }
    if (this.recording) {
      const { kernels, bindGroups, grids, words } = this.recording;
      kernels.push(kernel);
      bindGroups.push(group);
      grids.push(x, y, z);
      for (let i = 0; i < kernel.params.length; i++) {
        words.push(this.words.getUint32(base + i * 4, true));
      }
    }
    this.encode(kernel, group, base, x, y, z);
  }

  /** Does `work`, which does nothing but dispatch, and returns it for `replay`. */
  record(work: () => void): Recording {
    const recording = new Recording();
    this.recording = recording;
    try {
      work();
    } finally {
      this.recording = undefined;
    }
    return recording;
  }

  /** Does again what was recorded. */
  replay({ kernels, bindGroups, grids, words }: Recording): void {
    let word = 0;
    for (let i = 0; i < kernels.length; i++) {
      const kernel = kernels[i];
      const base = this.slot();
      for (let p = 0; p < kernel.params.length; p++) {
        this.words.setUint32(base + p * 4, words[word++], true);
      }
      this.encode(kernel, bindGroups[i], base, grids[3 * i], grids[3 * i + 1], grids[3 * i + 2]);
    }
  }

  /** Where the next dispatch's parameters go. */
  private slot(): number {
    if (this.used === SLOTS) this.submit();
    return this.used++ * SLOT_BYTES;
  }

  private encode(
    kernel: Kernel,
    group: GPUBindGroup,
    base: number,
    x: number,
    y: number,
    z: number,
  ): void {
    this.encoder ??= this.gpu.device.createCommandEncoder();
    this.pass ??= this.encoder.beginComputePass(this.profile?.pass(kernel.label, this.stage));
    kernel.encode(this.pass, group, base);
    this.pass.dispatchWorkgroups(x, y, z);
    if (this.profile?.detail === "kernels") this.endPass();
    const isLong = this.pace.add(kernel.cost, x * y * z);
    // An idle GPU starts on the first dispatches while the others are being recorded.
    if (isLong || (this.isIdle && this.used === HEAD_START)) this.submit();
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
    this.profile?.nextSubmission();
    this.gpu.device.queue.writeBuffer(this.uniform, 0, this.staging, 0, this.used * SLOT_BYTES);
    this.gpu.device.queue.submit([this.encoder.finish()]);
    this.encoder = undefined;
    this.used = 0;
    this.isIdle = false;
    this.pace.submitted();
  }

  /**
   * Submits, waits, and copies the first `into[i].length` elements of each tensor to `into[i]`.
   * @throws GpuError if the device failed in the meantime.
   */
  async read(tensors: readonly Tensor[], into: readonly (Float32Array | Uint32Array)[]) {
    let bytes = 0;
    for (const array of into) bytes += array.byteLength;
    const buffer = this.readBuffer(bytes);
    const encoder = this.outsidePass();
    for (let i = 0, at = 0; i < tensors.length; at += into[i++].byteLength) {
      const { buffer: source, offset } = tensors[i];
      encoder.copyBufferToBuffer(source, offset, buffer, at, into[i].byteLength);
    }
    const profile = this.profile?.isFull ? this.profile : undefined;
    profile?.resolve(encoder);
    this.submit();
    try {
      const mapped = buffer.mapAsync(1 /* READ */, 0, Math.max(4, bytes));
      await napping(profile ? Promise.all([mapped, profile.collect()]) : mapped);
    } catch (error) {
      this.gpu.check();
      throw error;
    }
    this.gpu.check();
    this.isIdle = true;
    this.pace.finished();
    const mapped = buffer.getMappedRange(0, Math.max(4, bytes));
    for (let i = 0, at = 0; i < into.length; at += into[i++].byteLength) {
      const target = into[i];
      new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(
        new Uint8Array(mapped, at, target.byteLength),
      );
    }
    buffer.unmap();
  }

  /** Times the GPU's work from here on; what was timed before is forgotten. */
  startProfile(detail: ProfileDetail): void {
    this.submit();
    this.profile = new Profile(this.gpu.device, detail);
  }

  /** The profile of all work recorded so far, if one was started. */
  async readProfile(): Promise<Profile | undefined> {
    const { profile } = this;
    if (profile) {
      profile.resolve(this.outsidePass());
      this.submit();
      await napping(profile.collect());
    }
    return profile;
  }

  private endPass(): void {
    this.pass?.end();
    this.pass = undefined;
  }

  private outsidePass(): GPUCommandEncoder {
    if (this.recording) throw new Error("only dispatches can be recorded");
    this.endPass();
    this.encoder ??= this.gpu.device.createCommandEncoder();
    return this.encoder;
  }

  private readBuffer(bytes: number): GPUBuffer {
    const size = Math.max(1024, 2 ** Math.ceil(Math.log2(Math.max(1, bytes))));
    let buffer = this.readBuffers.get(size);
    if (!buffer) {
      buffer = this.gpu.device.createBuffer({
        label: `read-back of ${size} bytes`,
        size,
        usage: 0x01 /* MAP_READ */ | 0x08 /* COPY_DST */,
      });
      this.readBuffers.set(size, buffer);
    }
    return buffer;
  }
}
