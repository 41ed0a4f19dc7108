import { z } from "zod";
import { sha256 } from "#platform/hash.ts";
import packageJson from "../../package.json" with { type: "json" };
import { ATTENTION_FAMILIES } from "../kernels/attention-families.ts";
import { MATMUL_FAMILIES, matmulSource } from "../kernels/matmul-families.ts";
import { LARGEST_SOURCE } from "../kernels/matmul-family.ts";
import type { TuningTable } from "../kernels/variants.ts";
import { readCached, writeCached } from "../platform/cache.ts";
import type { FoundAdapter } from "../platform/runtime.ts";
import { READER_SOURCES } from "../storage/storage-kernels.ts";

const hashOf = (value: unknown) => sha256().update(JSON.stringify(value)).digest().slice(0, 16);

const tableSchema = z.record(z.string(), z.string());

/** All that times depend on, and that may change: with any other of these, a table is of no use. */
export interface TunedFor {
  adapter: string;
  driver: string;
  /** Of the package `webgpu`: Dawn, which compiles the shaders. */
  webgpu: string;
  /** A hash of the shaders that take part, with their tiles. */
  shaders: string;
}

export function tunedFor({ name, driver }: Pick<FoundAdapter, "name" | "driver">): TunedFor {
  const families = MATMUL_FAMILIES.map((family) => [matmulSource(family), family.tiles]);
  const attention = ATTENTION_FAMILIES.map(({ sources }) => sources);
  const all = [families, LARGEST_SOURCE, READER_SOURCES, attention];
  const shaders = hashOf(all);
  return { adapter: name, driver, webgpu: packageJson.dependencies.webgpu, shaders };
}

/** The table of an adapter in the user's cache folder: one file for each `TunedFor`. */
export class KeptTuning {
  private readonly name: string;

  constructor(
    private readonly of: TunedFor,
    private readonly folders?: string[],
  ) {
    const stem = of.adapter.toLowerCase().replace(/[^a-z0-9]+/g, "-");
    const hash = hashOf(of);
    this.name = `tuning-${stem.replace(/^-|-$/g, "").slice(0, 40)}-${hash}.json`;
  }

  /** What was kept; empty where there is no file, or one that is broken or of something else. */
  read(): { path: string | null; table: TuningTable } {
    const parse = (text: string) => {
      const { table, ...of } = JSON.parse(text);
      if (JSON.stringify(of) !== JSON.stringify(this.of)) throw new Error("of something else");
      return tableSchema.parse(table);
    };
    const found = readCached(this.name, parse, this.folders);
    return { path: found?.path ?? null, table: found?.value ?? {} };
  }

  /** Adds to what is kept. @returns the file, or null where none can be written */
  add(table: TuningTable): string | null {
    const all = { ...this.of, table: { ...this.read().table, ...table } };
    return writeCached(this.name, `${JSON.stringify(all, null, 2)}\n`, this.folders);
  }
}
