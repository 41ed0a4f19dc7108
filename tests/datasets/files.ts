import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ReadOptions, readRows } from "../../beyond/datasets/rows.ts";
import type { Row } from "../../lib/data/judge.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-data-"));
process.on("exit", () => require("node:fs").rmSync(folder, { recursive: true, force: true }));

/** Writes a file of this name and gives its path. */
export function fileOf(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** The rows of a file with this content. */
export async function rowsOf(
  content: string | Uint8Array,
  options: ReadOptions = {},
  name = "f.jsonl",
): Promise<Row[]> {
  return [...(await readRows(fileOf(name, content), options)).rows];
}
