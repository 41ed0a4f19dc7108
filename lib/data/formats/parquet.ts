/** Parquet, row group by row group, only the columns that are wanted. */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import type { Compressors, FileMetaData, SchemaTree } from "hyparquet";
import { UserError } from "../../errors.ts";
import type { Source } from "./source.ts";

type File = NonNullable<Source["file"]>;

/** Rows decoded at once, where a row group is larger and its columns are flat. */
const WINDOW = 16_384;

/** hyparquet itself knows Snappy, which is what most files use. */
const compressors: Compressors = {
  GZIP: (bytes) => gunzipSync(bytes),
  ZSTD: (bytes) => zstdDecompressSync(bytes),
  BROTLI: (bytes) => brotliDecompressSync(bytes),
};

/** The rows, some at a time. `wanted` chooses among the names of the columns. */
export async function* parquetRows(
  file: File,
  name: string,
  wanted: (names: string[]) => string[],
): AsyncGenerator<Record<string, unknown>[]> {
  try {
    const { cachedAsyncBuffer, parquetMetadataAsync, parquetReadObjects, parquetSchema } =
      await import("hyparquet");
    const metadata = await parquetMetadataAsync(file);
    const schema = parquetSchema(metadata).children;
    const columns = wanted(schema.map(({ element }) => element.name));
    for (const [from, to] of groupsOf(metadata)) {
      // the columns' bytes stay until their group is done: each window needs all pages before it
      const group = { byteLength: file.byteLength, slice: cachedAsyncBuffer(file).slice };
      const step = isFlat(schema, columns) ? WINDOW : to - from;
      for (let rowStart = from; rowStart < to; rowStart += step) {
        const rowEnd = Math.min(to, rowStart + step);
        const window = { file: group, metadata, columns, rowStart, rowEnd, compressors };
        const rows = await parquetReadObjects(window);
        for (const row of rows) for (const key in row) row[key] = plain(row[key]);
        yield rows;
      }
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${name} cannot be read as Parquet: ${(error as Error).message}`);
  }
}

/** First row and end of each row group. */
function groupsOf({ row_groups }: FileMetaData): [from: number, to: number][] {
  let end = 0;
  return row_groups.map(({ num_rows }) => {
    end += Number(num_rows);
    return [end - Number(num_rows), end];
  });
}

const isFlat = (schema: SchemaTree[], columns: string[]) =>
  schema.every(({ element, children }) => !columns.includes(element.name) || children.length === 0);

/** Whole numbers as JSON has them; Parquet's are bigints. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || value.constructor !== Object) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
