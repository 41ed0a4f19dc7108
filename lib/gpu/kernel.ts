import type { Cost, Pace } from "../../beyond/scheduling/pace.ts";
import { inParts } from "../../beyond/scheduling/parts.ts";
import { GpuError } from "../errors.ts";
import type { Tensor } from "./memory.ts";
import {
  assemble,
  type Param,
  reflect,
  type ShaderInterface,
  withoutSubgroupSizes,
} from "./wgsl.ts";

/** What a dispatch has of the uniform buffer: the largest minUniformBufferOffsetAlignment an adapter may have. */
export const SLOT_BYTES = 256;

/** Tensors as a kernel binds them, and what a workgroup over them is believed to cost. */
export interface Bound {
  readonly group: GPUBindGroup;
  readonly cost: Cost;
}

/** A compiled entry point of a shader, with its bind groups cached by the tensors they bind. */
export class Kernel {
  readonly params: readonly Param[];
  /** Names of the tensors a dispatch must pass, in binding order. */
  readonly tensorNames: readonly string[];
  private readonly pipeline: GPUComputePipeline;
  private readonly layout: GPUBindGroupLayout;
  private readonly interface: ShaderInterface;
  private readonly uniformIndex: number;
  private readonly groups: BindGroupNode = { children: new Map() };
  private readonly offsets = [0];

  constructor(
    private readonly device: GPUDevice,
    readonly label: string,
    source: string,
    entryPoint: string,
    constants: Readonly<Record<string, number>>,
    private readonly pace: Pace,
    private readonly halves: readonly string[] = [],
  ) {
    const assembled = assemble(source, constants);
    const choosesSize = device.features.has("subgroup-size-control");
    const whole = choosesSize ? assembled : withoutSubgroupSizes(assembled);
    this.interface = reflect(whole, entryPoint);
    const { code, uniform } = inParts(whole, entryPoint);
    this.uniformIndex = uniform;
    this.params = this.interface.params;
    this.tensorNames = this.interface.bindings.map((binding) => binding.name);
    const entries: GPUBindGroupLayoutEntry[] = this.interface.bindings.map((binding) => ({
      binding: binding.index,
      visibility: 4 /* COMPUTE */,
      buffer: { type: binding.access === "read" ? "read-only-storage" : "storage" },
    }));
    entries.push({
      binding: uniform,
      visibility: 4,
      buffer: { type: "uniform", hasDynamicOffset: true },
    });
    this.layout = device.createBindGroupLayout({ label, entries });
    this.pipeline = device.createComputePipeline({
      label,
      layout: device.createPipelineLayout({ label, bindGroupLayouts: [this.layout] }),
      compute: { module: device.createShaderModule({ label, code }), entryPoint },
    });
  }

  /** Hands pipeline and bind group to a pass; `offset` is where in the uniform buffer the parameters are. */
  encode(pass: GPUComputePassEncoder, group: GPUBindGroup, offset: number): void {
    pass.setPipeline(this.pipeline);
    this.offsets[0] = offset;
    pass.setBindGroup(0, group, this.offsets);
  }

  /** These tensors as the kernel binds them, made when they are first needed. */
  bind(tensors: Readonly<Record<string, Tensor>>, uniform: GPUBuffer): Bound {
    let node = this.groups;
    for (const name of this.tensorNames) {
      const tensor = tensors[name];
      if (tensor === undefined) throw new Error(`${this.label} needs the tensor "${name}"`);
      let child = node.children.get(tensor.id);
      if (!child) {
        child = { children: new Map() };
        node.children.set(tensor.id, child);
      }
      node = child;
    }
    node.bound ??= {
      group: this.createBindGroup(tensors, uniform),
      cost: this.pace.newCost(this.interface),
    };
    return node.bound;
  }

  private createBindGroup(
    tensors: Readonly<Record<string, Tensor>>,
    uniform: GPUBuffer,
  ): GPUBindGroup {
    this.refuseConflicts(tensors);
    const entries: GPUBindGroupEntry[] = this.interface.bindings.map(({ name, index }) => {
      const { buffer, offset, length, elementBytes } = tensors[name];
      if ((elementBytes === 2) !== this.halves.includes(name)) {
        throw new Error(`${this.label}: "${name}" has elements of ${elementBytes} bytes`);
      }
      // vec4 arrays are bound in whole vectors; every buffer is allocated in multiples of 16 bytes.
      const size = Math.min(Math.ceil((length * elementBytes) / 16) * 16, buffer.size - offset);
      return { binding: index, resource: { buffer, offset, size } };
    });
    entries.push({
      binding: this.uniformIndex,
      resource: { buffer: uniform, offset: 0, size: SLOT_BYTES },
    });
    return this.device.createBindGroup({ label: this.label, layout: this.layout, entries });
  }

  /** WebGPU forbids to read and write one buffer in a dispatch, but names only the buffer. */
  private refuseConflicts(tensors: Readonly<Record<string, Tensor>>): void {
    const uses = new Map<GPUBuffer, { name: string; access: string }>();
    for (const { name, access } of this.interface.bindings) {
      const { buffer } = tensors[name];
      const other = uses.get(buffer) ?? { name, access };
      if (other.access !== access) {
        const names = `"${other.name}" and "${name}"`;
        throw new GpuError(
          `${this.label} reads and writes one buffer: ${names} are in ${buffer.label}`,
        );
      }
      uses.set(buffer, other);
    }
  }
}

interface BindGroupNode {
  bound?: Bound;
  children: Map<number, BindGroupNode>;
}
