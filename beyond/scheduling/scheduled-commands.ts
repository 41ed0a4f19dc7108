import { awaitGpu } from "#platform/gpu.ts";
import { Commands, SLOT_WORDS, SLOTS } from "../../lib/gpu/commands.ts";
import { Kernel, SLOT_BYTES } from "../../lib/gpu/kernel.ts";
import type { Tensor } from "../../lib/gpu/memory.ts";
import { reflect } from "../../lib/gpu/wgsl.ts";
import type { Cost, Pace } from "./pace.ts";
import { ALL_GROUPS, evenly, FIRST_GROUP, inParts, PART_WORDS } from "./parts.ts";
import { Profile, type ProfileDetail } from "./profile.ts";
import { Recording } from "./recording.ts";

/** Dispatches that an idle GPU is given before more are recorded. */
const HEAD_START = 64;

const ignore = () => {};

/**
 * The command stream as it is handed to GPUs that people use for other things too: in submissions of up to a
 * quarter of a second, dispatches that take longer being cut into parts of their grid, so that their workgroups
 * must not depend on each other. What is dispatched again and again can be recorded and replayed, an idle GPU
 * gets a head start, the host naps while it waits, and the GPU's time can be told by kernel. No bit of any
 * result depends on all that.
 */
export class ScheduledCommands extends Commands {
  private readonly costs = new Map<GPUBindGroup, Cost>();
  private recording: Recording | undefined;
  private profile: Profile | undefined;
  /** Whether all that was submitted is known to be done. */
  private isIdle = true;
  /** Settles with the read-back that was asked for last. */
  private lastRead = Promise.resolve();

  constructor(
    device: GPUDevice,
    check: () => void,
    private readonly pace: Pace,
  ) {
    super(device, check);
  }

  protected override compile(
    label: string,
    shader: string,
    entryPoint: string,
    halves: readonly string[],
  ): Kernel {
    const whole = this.device.features.has("subgroup-size-control")
      ? shader
      : withoutSubgroupSizes(shader);
    const { uniform } = reflect(whole, entryPoint);
    const parts = inParts(whole, entryPoint, uniform);
    return new Kernel(this.device, label, whole, entryPoint, halves, parts);
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
  replay({ kernels, groups, grids, words }: Recording): void {
    let word = 0;
    for (let i = 0; i < kernels.length; i++) {
      const kernel = kernels[i];
      for (let p = 0; p < kernel.params.length; p++) this.params[p] = words[word++];
      this.encode(kernel, groups[i], grids[3 * i], grids[3 * i + 1], grids[3 * i + 2]);
    }
  }

  /** A dispatch with the parameters at hand, or one for each part of its grid if it has to be cut. */
  protected override encode(
    kernel: Kernel,
    group: GPUBindGroup,
    x: number,
    y: number,
    z: number,
  ): void {
    this.recording?.add(kernel, group, x, y, z, this.params);
    const { pace } = this;
    const cost = this.costOf(kernel, group);
    if (this.used === SLOTS || !pace.hasRoom(cost, x * y * z)) this.submit();
    const slot = this.used++;
    const start = slot * SLOT_WORDS;
    for (let i = 0; i < kernel.params.length; i++) {
      this.staging[start + PART_WORDS + i] = this.params[i];
    }
    this.setGrid(start + ALL_GROUPS, x, y, z);
    // Whole layers of z, or rows of y, or pieces of a row: the order in which GPUs take workgroups.
    const most = pace.most(cost);
    const partX = evenly(x, most);
    const partY = evenly(y, Math.floor(most / x));
    const partZ = evenly(z, Math.floor(most / (x * y)));
    const isCut = partX < x || partY < y || partZ < z;
    for (let firstZ = 0; firstZ < z; firstZ += partZ) {
      for (let firstY = 0; firstY < y; firstY += partY) {
        for (let firstX = 0; firstX < x; firstX += partX) {
          this.setGrid(start + FIRST_GROUP, firstX, firstY, firstZ);
          this.encoder ??= this.device.createCommandEncoder();
          this.pass ??= this.encoder.beginComputePass(this.profile?.pass(kernel.label, this.stage));
          kernel.encode(this.pass, group, slot * SLOT_BYTES);
          const countX = Math.min(partX, x - firstX);
          const countY = Math.min(partY, y - firstY);
          const countZ = Math.min(partZ, z - firstZ);
          this.pass.dispatchWorkgroups(countX, countY, countZ);
          if (this.profile?.detail === "kernels") this.endPass();
          pace.add(cost, countX * countY * countZ);
          if (isCut) {
            // The next part finds the parameters where they are.
            this.used = slot + 1;
            this.submit();
          }
        }
      }
    }
    // An idle GPU starts on the first dispatches while the others are being recorded.
    if (this.isIdle && this.used === HEAD_START) this.submit();
  }

  override submit(): void {
    if (!this.encoder) return;
    super.submit();
    this.profile?.nextSubmission();
    this.isIdle = false;
    const stretch = this.pace.submitted();
    if (!stretch) return;
    const done = this.device.queue.onSubmittedWorkDone();
    done.then(() => this.pace.finished(stretch), ignore);
  }

  /** What is read back comes in the order in which it was asked for. */
  override async read(
    tensors: readonly Tensor[],
    into: readonly (Float32Array | Uint32Array)[],
  ): Promise<void> {
    const profile = this.profile?.isFull ? this.profile : undefined;
    profile?.resolve(this.outsidePass());
    const read = super.read(tensors, into); // which has been submitted when this returns
    const { lastRead } = this;
    const stretch = this.pace.takeStretch();
    const arrived = Promise.all([read, profile?.collect()]);
    this.lastRead = arrived.then(ignore, ignore);
    await lastRead; // one of them naps at a time
    try {
      await awaitGpu(arrived);
    } catch (error) {
      this.check();
      throw error;
    }
    this.isIdle = this.pace.finished(stretch);
  }

  /** Times the GPU's work from here on; what was timed before is forgotten. */
  startProfile(detail: ProfileDetail): void {
    this.submit();
    this.profile = new Profile(this.device, detail);
  }

  /** The profile of all work recorded so far, if one was started. */
  async readProfile(): Promise<Profile | undefined> {
    const { profile } = this;
    if (profile) {
      await this.lastRead; // which may be collecting timestamps
      profile.resolve(this.outsidePass());
      this.submit();
      await awaitGpu(profile.collect());
    }
    return profile;
  }

  protected override outsidePass(): GPUCommandEncoder {
    if (this.recording) throw new Error("only dispatches can be recorded");
    return super.outsidePass();
  }

  private costOf(kernel: Kernel, group: GPUBindGroup): Cost {
    let cost = this.costs.get(group);
    if (!cost) {
      cost = this.pace.newCost(kernel.interface);
      this.costs.set(group, cost);
    }
    return cost;
  }

  private setGrid(at: number, x: number, y: number, z: number): void {
    this.staging[at] = x;
    this.staging[at + 1] = y;
    this.staging[at + 2] = z;
  }
}

/** Without `@subgroup_size`, where the device does not let a shader choose; its subgroups have to be so already. */
const withoutSubgroupSizes = (source: string) =>
  source.replace(/enable subgroup_size_control;\n|@subgroup_size\(\w+\)/g, "");
