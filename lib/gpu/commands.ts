import { napping } from "../../beyond/platform/dawn.ts";
import { Pace } from "../../beyond/scheduling/pace.ts";
import { ALL_GROUPS, evenly, FIRST_GROUP, PART_WORDS } from "../../beyond/scheduling/parts.ts";
import { Profile, type ProfileDetail } from "../../beyond/scheduling/profile.ts";
import { Recording } from "../../beyond/scheduling/recording.ts";
import type { Gpu } from "./device.ts";
import { type Bound, Kernel, SLOT_BYTES } from "./kernel.ts";
import type { Tensor } from "./memory.ts";

const SLOTS = 1024;
const MAX_GROUPS = 65_535;
/** Dispatches that an idle GPU is given before more are recorded. */
const HEAD_START = 64;

const ignore = () => {};

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
  /** Buffers for read-backs that are not in use, by size. */
  private readonly readBuffers = new Map<number, GPUBuffer[]>();
  /** Settles with the read-back that was asked for last. */
  private lastRead = Promise.resolve();
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
      const { gpu, pace } = this;
      kernel = new Kernel(gpu.device, key, source, entryPoint, constants, pace, halves);
      this.kernels.set(key, kernel);
    }
    return kernel;
  }

  /**
   * Records one dispatch. `params` are the fields of the shader's `Params`; `groups` counts
   * workgroups in x, y, z. An x beyond the 65,535 a dimension may hold is folded into y, and the
   * shader reads its index back with `workgroup.x + workgroup.y * groups.x`. What would take too long
   * for one submission is cut into parts of the grid: workgroups of a dispatch must not depend on each other.
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
    const bound = kernel.bind(tensors, this.uniform);
    const base = this.slot(bound, x * y * z);
    const start = base + PART_WORDS * 4;
    for (let i = 0; i < kernel.params.length; i++) {
      const { name, type } = kernel.params[i];
      const value = params[name];
      if (value === undefined) throw new Error(`${kernel.label} needs the parameter "${name}"`);
      if (type === "f32") this.words.setFloat32(start + i * 4, value, true);
      else if (type === "i32") this.words.setInt32(start + i * 4, value, true);
      else this.words.setUint32(start + i * 4, value, true);
    }
    if (this.recording) {
      const { kernels, bounds, grids, words } = this.recording;
      kernels.push(kernel);
      bounds.push(bound);
      grids.push(x, y, z);
      for (let i = 0; i < kernel.params.length; i++) {
        words.push(this.words.getUint32(start + i * 4, true));
      }
    }
    this.encode(kernel, bound, base, x, y, z);
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
  replay({ kernels, bounds, grids, words }: Recording): void {
    let word = 0;
    for (let i = 0; i < kernels.length; i++) {
      const kernel = kernels[i];
      const bound = bounds[i];
      const x = grids[3 * i];
      const y = grids[3 * i + 1];
      const z = grids[3 * i + 2];
      const base = this.slot(bound, x * y * z);
      const start = base + PART_WORDS * 4;
      for (let p = 0; p < kernel.params.length; p++) {
        this.words.setUint32(start + p * 4, words[word++], true);
      }
      this.encode(kernel, bound, base, x, y, z);
    }
  }

  /** Where the parameters of the next dispatch go: to a new submission, if this one would get too long. */
  private slot({ cost }: Bound, groups: number): number {
    if (this.used === SLOTS || !this.pace.hasRoom(cost, groups)) this.submit();
    return this.used++ * SLOT_BYTES;
  }

  /** A dispatch whose parameters are at `base`, or one for each part of its grid if it has to be cut. */
  private encode(
    kernel: Kernel,
    { group, cost }: Bound,
    base: number,
    x: number,
    y: number,
    z: number,
  ): void {
    // Whole layers of z, or rows of y, or pieces of a row: the order in which GPUs take workgroups.
    const most = this.pace.most(cost);
    const partX = evenly(x, most);
    const partY = evenly(y, Math.floor(most / x));
    const partZ = evenly(z, Math.floor(most / (x * y)));
    const isCut = partX < x || partY < y || partZ < z;
    this.setGrid(base, ALL_GROUPS, x, y, z);
    for (let firstZ = 0; firstZ < z; firstZ += partZ) {
      for (let firstY = 0; firstY < y; firstY += partY) {
        for (let firstX = 0; firstX < x; firstX += partX) {
          this.setGrid(base, FIRST_GROUP, firstX, firstY, firstZ);
          this.encoder ??= this.gpu.device.createCommandEncoder();
          this.pass ??= this.encoder.beginComputePass(this.profile?.pass(kernel.label, this.stage));
          kernel.encode(this.pass, group, base);
          const countX = Math.min(partX, x - firstX);
          const countY = Math.min(partY, y - firstY);
          const countZ = Math.min(partZ, z - firstZ);
          this.pass.dispatchWorkgroups(countX, countY, countZ);
          if (this.profile?.detail === "kernels") this.endPass();
          this.pace.add(cost, countX * countY * countZ);
          if (isCut) {
            // The next part finds the parameters where they are.
            this.used = base / SLOT_BYTES + 1;
            this.submit();
          }
        }
      }
    }
    // An idle GPU starts on the first dispatches while the others are being recorded.
    if (this.isIdle && this.used === HEAD_START) this.submit();
  }

  private setGrid(base: number, word: number, x: number, y: number, z: number): void {
    this.words.setUint32(base + word * 4, x, true);
    this.words.setUint32(base + word * 4 + 4, y, true);
    this.words.setUint32(base + word * 4 + 8, z, true);
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
    const { queue } = this.gpu.device;
    queue.writeBuffer(this.uniform, 0, this.staging, 0, this.used * SLOT_BYTES);
    queue.submit([this.encoder.finish()]);
    this.encoder = undefined;
    this.used = 0;
    this.isIdle = false;
    const stretch = this.pace.submitted();
    if (stretch) queue.onSubmittedWorkDone().then(() => this.pace.finished(stretch), ignore);
  }

  /**
   * Submits, waits, and copies the first `into[i].length` elements of each tensor to `into[i]`. More work
   * may be given to the GPU before that is done, and read back: what comes back is what the tensors held
   * when it was asked for, and comes in that order.
   * @throws GpuError if the device failed in the meantime.
   */
  async read(tensors: readonly Tensor[], into: readonly (Float32Array | Uint32Array)[]) {
    let bytes = 0;
    for (const array of into) bytes += array.byteLength;
    const size = Math.max(1024, 2 ** Math.ceil(Math.log2(Math.max(1, bytes))));
    const buffer = this.readBuffers.get(size)?.pop() ?? this.newReadBuffer(size);
    const encoder = this.outsidePass();
    for (let i = 0, at = 0; i < tensors.length; at += into[i++].byteLength) {
      const { buffer: source, offset } = tensors[i];
      encoder.copyBufferToBuffer(source, offset, buffer, at, into[i].byteLength);
    }
    const profile = this.profile?.isFull ? this.profile : undefined;
    profile?.resolve(encoder);
    this.submit();
    const { lastRead } = this;
    const stretch = this.pace.takeStretch();
    const arrived = Promise.all([
      buffer.mapAsync(1 /* READ */, 0, Math.max(4, bytes)),
      profile?.collect(),
    ]);
    this.lastRead = arrived.then(ignore, ignore);
    try {
      await lastRead; // one of them naps at a time
      await napping(arrived);
    } catch (error) {
      this.gpu.check();
      throw error;
    }
    this.gpu.check();
    this.isIdle = this.pace.finished(stretch);
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

  /** Times the GPU's work from here on; what was timed before is forgotten. */
  startProfile(detail: ProfileDetail): void {
    this.submit();
    this.profile = new Profile(this.gpu.device, detail);
  }

  /** The profile of all work recorded so far, if one was started. */
  async readProfile(): Promise<Profile | undefined> {
    const { profile } = this;
    if (profile) {
      await this.lastRead; // which may be collecting timestamps
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

  private newReadBuffer(size: number): GPUBuffer {
    if (!this.readBuffers.has(size)) this.readBuffers.set(size, []);
    return this.gpu.device.createBuffer({
      label: `read-back of ${size} bytes`,
      size,
      usage: 0x01 /* MAP_READ */ | 0x08 /* COPY_DST */,
    });
  }
}
