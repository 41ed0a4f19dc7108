import type { Kernel } from "../../lib/gpu/kernel.ts";
import type { Tensor } from "../../lib/gpu/memory.ts";
import { type Files, reflect } from "../../lib/gpu/wgsl.ts";
import { type EntryPoint, Kernels, ofFormat } from "../../lib/model/ops/kernels.ts";
import f16 from "./f16.wgsl" with { type: "text" };
import f16Halves from "./f16-halves.wgsl" with { type: "text" };
import q4_1 from "./q4_1.wgsl" with { type: "text" };
import q8_0 from "./q8_0.wgsl" with { type: "text" };

/** What takes the place of shaders/weights/f32.wgsl, by format. */
const READERS: Files = { f16, q8_0, q4_1 };
export const READER_SOURCES: readonly string[] = [...Object.values(READERS), f16Halves];

/** The file by which a shader reads matrices of a format: f16 stays so where the shader computes with it. */
export function readerFiles(format: string, source: string): Files {
  if (format === "f32") return {};
  const isHalf = format === "f16" && source.includes("enable f16;");
  return { "weights/f32.wgsl": isHalf ? f16Halves : READERS[format] };
}

/** Kernels that read matrices in all formats, and whose tensors may be stored in halves. */
export class StorageKernels extends Kernels {
  private readonly stored: Record<string, Stored> = {};

  override addReading(...[shader, source, entries, constants, files]: Parameters<Kernels["add"]>) {
    for (const format of ["f32", ...Object.keys(READERS)]) {
      const all = { ...files, ...readerFiles(format, source) };
      this.add(ofFormat(shader, format), source, entries, constants, all);
    }
  }

  /** In the variant for the tensors' types. */
  protected override kernel(name: string, tensors: Readonly<Record<string, Tensor>>): Kernel {
    this.stored[name] ??= storedOf(this.entryPoint(name));
    const { halvable, compiled, whole } = this.stored[name];
    let variant = 0;
    for (let i = 0; i < halvable.length; i++) {
      if (tensors[halvable[i]]?.elementBytes === 2) variant |= 1 << i;
    }
    if (!compiled[variant]) {
      const { shader, source, entry, constants } = whole;
      const halves = halvable.filter((_, i) => variant & (1 << i));
      const stored = storeHalves(source, halves);
      compiled[variant] = this.commands.kernel(shader, stored, entry, constants, halves);
    }
    return compiled[variant];
  }
}

interface Stored {
  whole: EntryPoint;
  /** Names of the tensors that may be stored in halves. */
  halvable: readonly string[];
  /** Bit i of the index: whether the i-th of `halvable` is. */
  compiled: Kernel[];
}

function storedOf(whole: EntryPoint): Stored {
  const { bindings } = reflect(whole.source, whole.entry);
  const reached = new Set(bindings.map(({ name }) => name));
  const names = halvable(whole.source).map(({ name }) => name);
  return { whole, halvable: names.filter((name) => reached.has(name)), compiled: [] };
}

/**
 * Bindings that may hold halves: those of an array whose elements have a name of their own,
 * `alias X = f32;`, `vec2f` or `vec4f`. The shader converts at every load and store, `f32(x[i])` and
 * `X(value)`, which costs nothing where both are the same.
 */
export function halvable(source: string): { name: string; alias: string }[] {
  const bindings = source.matchAll(/var<storage, \w+> (\w+): array<(\w+)>/g);
  return Array.from(bindings, ([, name, alias]) => ({ name, alias })).filter(({ alias }) =>
    source.match(aliasOf(alias)),
  );
}

/** Lets the bindings named hold halves. @throws Error naming one that cannot */
export function storeHalves(source: string, names: readonly string[]): string {
  if (names.length === 0) return source;
  let text = source;
  for (const name of names) {
    const alias = halvable(source).find((binding) => binding.name === name)?.alias;
    if (!alias) throw new Error(`shader cannot hold ${name} in halves`);
    text = text.replace(aliasOf(alias), (_, type) => `alias ${alias} = ${HALF[type]};`);
  }
  return `enable f16;\n${text}`;
}

const HALF: Record<string, string> = { f32: "f16", vec2f: "vec2h", vec4f: "vec4h" };
const aliasOf = (name: string) => new RegExp(`alias ${name} = (f32|vec2f|vec4f);`);
