import { GpuError } from "../errors.ts";
import type { Tensor } from "./memory.ts";
import { type Param, reflect, type ShaderInterface } from "./wgsl.ts";

/** What a dispatch has of the uniform buffer: the largest minUniformBufferOffsetAlignment an adapter may have. */
export const SLOT_BYTES = 256;

/** A compiled entry point of a shader, with its bind groups cached by the tensors they bind. */
export class Kernel {
  readonly interface: ShaderInterface;
  readonly params: readonly Param[];
  private readonly pipeline: GPUComputePipeline;
  private readonly layout: GPUBindGroupLayout;
  private readonly groups: BindGroupNode = { children: new Map() };
  private readonly offsets = [0];

  /**
   * @param halves bindings whose elements are of two bytes
   * @param compiled takes the place of `shader`, whose bindings and parameters it has
   */
  constructor(
    private readonly device: GPUDevice,
    readonly label: string,
    shader: string,
    entryPoint: string,
    private readonly halves: readonly string[] = [],
    compiled = shader,
  ) {
    this.interface = reflect(shader, entryPoint);
    this.params = this.interface.params;
    const entries: GPUBindGroupLayoutEntry[] = this.interface.bindings.map((binding) => ({
      binding: binding.index,
      visibility: 4 /* COMPUTE */,
      buffer: { type: binding.access === "read" ? "read-only-storage" : "storage" },
    }));
    entries.push({
      binding: this.interface.uniform,
      visibility: 4,
      buffer: { type: "uniform", hasDynamicOffset: true },
    });
    this.layout = device.createBindGroupLayout({ label, entries });
    this.pipeline = device.createComputePipeline({
      label,
      layout: device.createPipelineLayout({ label, bindGroupLayouts: [this.layout] }),
      compute: { module: device.createShaderModule({ label, code: compiled }), entryPoint },
    });
  }

  /** Hands pipeline and bind group to a pass; `offset` is where in the uniform buffer the parameters are. */
  encode(pass: GPUComputePassEncoder, group: GPUBindGroup, offset: number): void {
    pass.setPipeline(this.pipeline);
    this.offsets[0] = offset;
    pass.setBindGroup(0, group, this.offsets);
  }

  /** These tensors as the kernel binds them, made when they are first needed. */
  bind(tensors: Readonly<Record<string, Tensor>>, uniform: GPUBuffer): GPUBindGroup {
    let node = this.groups;
    for (const { name } of this.interface.bindings) {
      const tensor = tensors[name];
      if (tensor === undefined) throw new Error(`${this.label} needs the tensor "${name}"`);
      let child = node.children.get(tensor.id);
      if (!child) {
        child = { children: new Map() };
        node.children.set(tensor.id, child);
      }
      node = child;
    }
    node.group ??= this.createBindGroup(tensors, uniform);
    return node.group;
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
      binding: this.interface.uniform,
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
  group?: GPUBindGroup;
  children: Map<number, BindGroupNode>;
}
