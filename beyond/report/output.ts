import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { diskError } from "../platform/files.ts";
import { standalone } from "./draw.ts";

/** Writes a page, in place of an older one. */
export function writePage(path: string, page: string) {
  try {
    writeFileSync(path, page);
  } catch (error) {
    throw diskError(error, path);
  }
}

/** Writes charts as files of their own, `<folder>/<name>.svg`. */
export function writeCharts(folder: string, charts: ReadonlyMap<string, string>) {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw diskError(error, folder);
  }
  for (const [name, svg] of charts) writePage(join(folder, `${name}.svg`), standalone(svg));
}
