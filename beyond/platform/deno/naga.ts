/**
 * Deno's own WebGPU compiles shaders by naga. It knows subgroups, yet refuses the directive that asks for them, and
 * the adapter does not tell that it has them, though its device does when asked.
 */
export function straightened(adapter: GPUAdapter): GPUAdapter {
  const { subgroupMaxSize = 0 } = adapter.info;
  const features = new Set([...adapter.features]);
  if (subgroupMaxSize > 0) features.add("subgroups");
  // shaders that choose the size of subgroups are compiled without that wish
  features.delete("subgroup-size-control" as GPUFeatureName);
  const request = adapter.requestDevice.bind(adapter);
  Object.defineProperty(adapter, "features", { value: features });
  adapter.requestDevice = async (wanted) => {
    const device = await request(wanted);
    const create = device.createShaderModule.bind(device);
    device.createShaderModule = ({ code, ...more }) =>
      create({ ...more, code: code.replace(/^enable subgroups;\n/gm, "") });
    const granted = new Set([...device.features, ...(wanted?.requiredFeatures ?? [])]);
    Object.defineProperty(device, "features", { value: granted });
    return device;
  };
  return adapter;
}
