import { makeOps } from "../../beyond/kernels/ops.ts";
import type { Variants } from "../../beyond/kernels/variants.ts";
import { createInstance } from "../../beyond/platform/dawn.ts";
import type { SystemGpu } from "../../beyond/platform/gpu.ts";
import { assemble } from "../../lib/gpu/wgsl.ts";
import type { Ops } from "../../lib/model/ops.ts";

/**
 * Subgroup matrices (`chromium_experimental_subgroup_matrix`) where no adapter has them. Two halves of a
 * proof: `emulate` turns a shader into plain WGSL that computes the same, so that its tiling is tried on
 * software adapters; `tintErrors` has the shader itself compiled by Dawn, which must find nothing wrong.
 */

/** Lanes of an emulated subgroup. */
const SUBGROUP = 32;

type Kind = "left" | "right" | "result";

interface MatrixType {
  struct: string;
  columns: number;
  rows: number;
}

/**
 * The same computation in plain WGSL: each lane of a subgroup holds and makes every 32nd element of a result,
 * and reads the factors where they lie. Of the language it knows what a kernel needs:
 *
 *   subgroup_matrix_left<f16, K, M>, _right<f16, N, K>, _result<f32, N, M>     one of each in a shader
 *   subgroupMatrixLoad<type or alias, row_major>(&array, offset, stride)       and col_major; arrays of
 *   subgroupMatrixStore<row_major>(&array, offset, result, stride)             numbers or vec4
 *   subgroupMatrixMultiplyAccumulate(left, right, result), a result's zero `type()`
 *   subgroupMax(u32), where all invocations of a workgroup of 256 or fewer come by
 *   @builtin(subgroup_id) beside @builtin(local_invocation_index), as parameters of the entry point
 *
 * Factors are read when they are multiplied, so that their memory must hold them until then.
 * @param halves whether the adapter has f16; without it, numbers are f32 and rounded as f16 would
 * @param entry the entry point that is wanted; what it does not reach takes no workgroup memory then
 * @throws Error naming what it does not know
 */
export function emulate(source: string, halves: boolean, entry?: string): string {
  const constants = new Map(
    Array.from(source.matchAll(/const (\w+): u32 = (\d+)u;/g), ([, name, value]) => [name, value]),
  );
  const types = new Map<Kind, MatrixType>();
  const bare = source.replace(/\/\/[^\n]*/g, "");
  let text = (entry ? reached(bare, entry) : bare).replace(
    /subgroup_matrix_(left|right|result)<(\w+),\s*(\w+),\s*(\w+)>/g,
    (_, kind: Kind, element: string, ...sizes: string[]) => {
      const [columns, rows] = sizes.slice(0, 2).map((size) => {
        return Number.parseInt(constants.get(size) ?? size, 10);
      });
      const struct = `subgroup_matrix_${kind}_${element}_${columns}_${rows}`;
      const before = types.get(kind);
      if (before && before.struct !== struct) throw new Error(`two types of ${kind} matrices`);
      types.set(kind, { struct, columns, rows });
      return struct;
    },
  );
  const [left, right, result] = (["left", "right", "result"] as const).map((kind) => {
    const type = types.get(kind);
    if (!type) throw new Error(`no ${kind} matrix`);
    return type;
  });
  const agrees = left.columns === right.rows && left.rows === result.rows;
  if (!agrees || right.columns !== result.columns) throw new Error("matrices do not fit together");

  const kindOf = (name: string): Kind => {
    const struct = new RegExp(`alias ${name} = (\\w+);`).exec(text)?.[1] ?? name;
    const found = [...types].find(([, type]) => type.struct === struct);
    if (!found) throw new Error(`${name} is no type of subgroup matrices`);
    return found[0];
  };
  /** Element [row, column] of the matrix that lies at `offset` of an array. */
  const element = (array: string, major: string) => {
    const declared = new RegExp(`> ${array}: array<(\\w+)`).exec(text)?.[1] ?? "";
    const type = new RegExp(`alias ${declared} = (\\w+);`).exec(text)?.[1] ?? declared;
    const [outer, inner] = major === "row" ? ["row", "column"] : ["column", "row"];
    const at = `offset + ${outer} * stride`;
    return type.startsWith("vec4")
      ? `${array}[${at} + ${inner} / 4u][${inner} % 4u]`
      : `${array}[${at} + ${inner}]`;
  };
  /** A loop over the elements that a lane has of a result; of a length that no compiler knows, lest it unrolls it. */
  const each = (
    body: string,
  ) => `for (var i = 0u; i < ${(result.rows * result.columns) / SUBGROUP}u + emulated_zero; i++) {
    let at = emulated_lane + i * ${SUBGROUP}u;
    let row = at / ${result.columns}u;
    let column = at % ${result.columns}u;
    ${body}
  }`;
  const functions = new Map<string, string>();
  const places: Record<"left" | "right", string[]> = { left: [], right: [] };
  text = text.replace(
    /subgroupMatrixLoad<(\w+),\s*(row|col)_major>\(\s*&(\w+),/g,
    (_, type: string, major: string, array: string) => {
      const kind = kindOf(type);
      const name = `load_${kind}_${major}_${array}`;
      if (functions.has(name)) return `${name}(`;
      const read = element(array, major);
      let body = `var m: ${type};\n  ${each(`m.e[i] = ${read};`)}\n  return m;`;
      if (kind !== "result") {
        body = `return ${type}(${places[kind].length}u, offset, stride);`;
        places[kind].push(read);
      }
      functions.set(name, `fn ${name}(offset: u32, stride: u32) -> ${type} {\n  ${body}\n}`);
      return `${name}(`;
    },
  );
  text = text.replace(
    /subgroupMatrixStore<(row|col)_major>\(\s*&(\w+),/g,
    (_, major: string, array: string) => {
      const name = `store_${major}_${array}`;
      const body = each(`${element(array, major)} = n.e[i];`);
      const parameters = `offset: u32, m: ${result.struct}, stride: u32`;
      functions.set(name, `fn ${name}(${parameters}) {\n  var n = m;\n  ${body}\n}`);
      return `${name}(`;
    },
  );
  for (const [kind, { struct }] of [
    ["left", left],
    ["right", right],
  ] as const) {
    const cases = places[kind].map((read, i) => `case ${i}u: { return f32(${read}); }`);
    functions.set(
      kind,
      `fn element_of_${kind}(m: ${struct}, row: u32, column: u32) -> f32 {
  let offset = m.offset;
  let stride = m.stride;
  switch (m.place) {
    ${cases.join("\n    ")}
    default: { return 0.0; }
  }
}`,
    );
  }
  text = text.replaceAll("subgroupMatrixMultiplyAccumulate(", "multiply_accumulate(");
  const product = "fma(element_of_left(l, row, k), element_of_right(r, k, column), c.e[i])";
  functions.set(
    "multiply_accumulate",
    `fn multiply_accumulate(l: ${left.struct}, r: ${right.struct}, sum: ${result.struct}) -> ${result.struct} {
  var c = sum;
  ${each(`for (var k = 0u; k < ${left.columns}u + emulated_zero; k++) { c.e[i] = ${product}; }`)}
  return c;
}`,
  );
  if (text.includes("subgroupMax(")) {
    text = text.replaceAll("subgroupMax(", "emulated_max(");
    functions.set("max", EMULATED_MAX);
  }
  const unknown = /subgroupMatrix\w+/.exec(text);
  if (unknown) throw new Error(`${unknown[0]} is not emulated in this form`);

  text = text
    .replace(/enable (chromium_experimental_subgroup_matrix|subgroup\w*);\n/g, "")
    .replace(/@subgroup_size\(\w+\)/g, "")
    .replace(
      /(@compute[^{]*?)@builtin\(subgroup_id\) (\w+): u32,?([^{]*\{)/g,
      (_, before: string, name: string, after: string) => {
        const index = /@builtin\(local_invocation_index\) (\w+): u32/.exec(before + after)?.[1];
        if (!index) throw new Error("subgroup_id without local_invocation_index");
        const lane = `  emulated_index = ${index};\n  emulated_lane = ${index} % ${SUBGROUP}u;\n  emulated_zero = ${index} >> 31u;`;
        return `${before}${after}\n${lane}\n  let ${name} = ${index} / ${SUBGROUP}u;`;
      },
    );
  const elements = (result.rows * result.columns) / SUBGROUP;
  text += `
var<private> emulated_index: u32;
var<private> emulated_lane: u32;
var<private> emulated_zero: u32;
struct ${left.struct} { place: u32, offset: u32, stride: u32 }
struct ${right.struct} { place: u32, offset: u32, stride: u32 }
struct ${result.struct} { e: array<f32, ${elements}> }
${[...functions.values()].join("\n")}
`;
  return halves ? text : withoutHalves(text);
}

const EMULATED_MAX = `var<workgroup> emulated_values: array<u32, 256>;
fn emulated_max(value: u32) -> u32 {
  emulated_values[emulated_index] = value;
  workgroupBarrier();
  var most = 0u;
  for (var i = 0u; i < ${SUBGROUP}u; i++) {
    most = max(most, emulated_values[emulated_index - emulated_lane + i]);
  }
  workgroupBarrier();
  return most;
}`;

/** A shader without the functions that an entry point does not call. */
function reached(source: string, entry: string): string {
  const functions = new Map<string, string>();
  for (const match of source.matchAll(/(?:@compute[^{}]*?)?\bfn (\w+)\(/g)) {
    let end = source.indexOf("{", match.index) + 1;
    for (let depth = 1; depth > 0; end++) {
      depth += source[end] === "{" ? 1 : source[end] === "}" ? -1 : 0;
    }
    functions.set(match[1], source.slice(match.index, end));
  }
  const wanted = new Set([entry]);
  for (const name of wanted) {
    for (const [word] of (functions.get(name) ?? "").matchAll(/\w+/g)) {
      if (functions.has(word)) wanted.add(word);
    }
  }
  let text = source;
  for (const [name, code] of functions) if (!wanted.has(name)) text = text.replace(code, "");
  return text;
}

/** f32 in the place of f16, rounded where a shader converts. */
function withoutHalves(source: string): string {
  const text = source
    .replace(/enable f16;\n/g, "")
    .replace(/\bvec4h\(\)/g, "vec4f()")
    .replace(/\bvec4h\(/g, "round_vec4(")
    .replace(/\bvec4h\b/g, "vec4f")
    .replace(/\bf16\(/g, "round_f32(")
    .replace(/\bf16\b/g, "f32");
  return `${text}
fn round_vec4(v: vec4f) -> vec4f { return quantizeToF16(v); }
fn round_f32(v: f32) -> f32 { return quantizeToF16(v); }
`;
}

type Constants = Readonly<Record<string, number>>;

/** `commands.kernel` of a GPU whose kernels with subgroup matrices are emulated, with what `change` makes of constants. */
export function emulatingKernel(
  { commands, device }: SystemGpu,
  change = (constants: Constants) => constants,
): SystemGpu["commands"]["kernel"] {
  const real = commands.kernel.bind(commands);
  const halves = device.features.has("shader-f16");
  return (name, source, entry, constants = {}, stored = []) => {
    if (!source.includes("subgroup_matrix")) return real(name, source, entry, constants, stored);
    const changed = change(constants);
    const emulated = `${name} emulated ${JSON.stringify(changed)}`;
    const code = emulate(assemble(source, changed), halves, entry);
    return real(emulated, code, entry, {}, stored);
  };
}

/** Ops on `gpu` with such kernels. */
export function emulatingOps(
  gpu: SystemGpu,
  headDim: number,
  given: Partial<Variants>,
  change?: (constants: Constants) => Constants,
): Ops {
  const kernel = emulatingKernel(gpu, change);
  const dispatch: SystemGpu["commands"]["dispatch"] = (...given) => gpu.commands.dispatch(...given);
  const emulating = Object.create(gpu, { commands: { value: { kernel, dispatch } } }) as SystemGpu;
  return makeOps(emulating, headDim, given);
}

/** Matmul in shallow steps: software adapters compile it sooner, and have not the workgroup memory for large tiles. */
export function shallowest(constants: Constants): Constants {
  const { DEPTH, X_LOADS, W_LOADS, SUB_ROWS } = constants;
  const depth = SUB_ROWS === 64 ? 16 : 32;
  const share = depth / DEPTH;
  return { ...constants, DEPTH: depth, X_LOADS: X_LOADS * share, W_LOADS: W_LOADS * share };
}

const nullDevices = new Map<number | undefined, Promise<GPUDevice>>();

/**
 * What Dawn finds wrong with an entry point of a shader, which may use subgroup matrices.
 * @param memory workgroup memory that it may use, 32 KiB by default
 */
export async function tintErrors(code: string, entryPoint: string, memory?: number) {
  const device = await (nullDevices.get(memory) ?? openNull(memory));
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code });
  device.createComputePipeline({ layout: "auto", compute: { module, entryPoint } });
  const { messages } = await module.getCompilationInfo();
  const error = await device.popErrorScope();
  const found = messages.map(
    ({ type, lineNum, message }) => `${type} in line ${lineNum}: ${message}`,
  );
  return error ? [...found, error.message] : found;
}

/** A device that validates and computes nothing, with all features. */
function openNull(memory?: number): Promise<GPUDevice> {
  const device = requestNull(memory);
  nullDevices.set(memory, device);
  return device;
}

async function requestNull(memory?: number): Promise<GPUDevice> {
  const gpu = await createInstance(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error("Dawn has no null adapter");
  const wanted = ["chromium-experimental-subgroup-matrix", "subgroup-size-control", "subgroups"];
  const { limits } = adapter;
  return adapter.requestDevice({
    requiredFeatures: [...wanted, "shader-f16"] as GPUFeatureName[],
    requiredLimits: {
      maxComputeWorkgroupStorageSize: memory ?? limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
    },
  });
}
