/** Parquet, a window of rows at a time, only the columns that are wanted. */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import type { Compressors, DecodedArray, FileMetaData, RowGroup, SchemaTree } from "hyparquet";
import { watched } from "#platform/watchdog.ts";
import { UserError } from "../../../lib/errors.ts";
import { messageOf } from "../../terminal/quoted.ts";
import type { Source } from "./source.ts";

type File = NonNullable<Source["file"]>;

/** Rows at once. */
const WINDOW = 4096;

/** Bytes of metadata; those of a million columns have fewer. */
const LARGEST_METADATA = 2 ** 28;
/** Bytes at the end of a file that are read at once; most metadata fit. */
const FOOTER = 2 ** 19;

/** hyparquet itself knows Snappy, which is what most files use. None unpacks more than the page says. */
const compressors: Compressors = {
  GZIP: (bytes, length) => gunzipSync(bytes, { maxOutputLength: Math.max(1, length) }),
  ZSTD: (bytes, length) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, length) }),
  BROTLI: (bytes, length) => brotliDecompressSync(bytes, { maxOutputLength: Math.max(1, length) }),
};

/** The rows, some at a time. `wanted` chooses among the names of the columns. */
export async function* parquetRows(
  file: File,
  name: string,
  wanted: (names: string[]) => string[],
): AsyncGenerator<Record<string, unknown>[]> {
  try {
    const { parquetSchema } = await import("hyparquet");
    const metadata = await readMetadata(file, name);
    requireSound(metadata);
    const schema = parquetSchema(metadata);
    const columns = new Set(wanted(schema.children.map(({ element }) => element.name)));
    for (const group of metadata.row_groups) yield* groupRows(file, name, schema, group, columns);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${name} cannot be read as Parquet: ${messageOf(error)}`);
  }
}

async function readMetadata(file: File, name: string): Promise<FileMetaData> {
  const { parquetMetadata } = await import("hyparquet");
  let footer = await file.slice(Math.max(0, file.byteLength - FOOTER));
  const size =
    footer.byteLength < 8 ? 0 : new DataView(footer).getUint32(footer.byteLength - 8, true);
  const begin = file.byteLength - 8 - size;
  if (begin >= 0 && size <= LARGEST_METADATA && begin < file.byteLength - footer.byteLength) {
    footer = await file.slice(begin);
  }
  // what it would mark of maps is of no use here, and never ends on a schema that is damaged
  return watched(name, () => parquetMetadata(footer, { geoparquet: false }));
}

/** Throws for metadata that contradict themselves, of which a reader would make endless loops and lists. */
function requireSound({ schema, row_groups, num_rows }: FileMetaData): void {
  const children = schema.map(({ num_children = 0 }) => num_children);
  const rows = row_groups.map((group) => Number(group.num_rows));
  const sound =
    children.every((count) => count >= 0 && count < schema.length) &&
    rows.every((count) => count >= 0) &&
    rows.reduce((sum, count) => sum + count, 0) === Number(num_rows);
  if (!sound) throw new Error("its metadata are damaged");
}

async function* groupRows(
  file: File,
  name: string,
  schema: SchemaTree,
  group: RowGroup,
  columns: ReadonlySet<string>,
): AsyncGenerator<Record<string, unknown>[]> {
  const { ColumnReader } = await import("./parquet-column.ts");
  const { assembleNested } = await import("hyparquet/src/assemble.js");
  const { DEFAULT_PARSERS } = await import("hyparquet/src/convert.js");
  const readers = group.columns
    .filter(({ meta_data }) => columns.has(meta_data?.path_in_schema[0] ?? ""))
    .map((chunk) => new ColumnReader(file, name, schema, chunk, compressors));
  const fields = schema.children.filter(({ element }) => columns.has(element.name));
  const without = fields.find(
    ({ element }) => !readers.some(({ path }) => path[0] === element.name),
  );
  if (without) throw new Error(`a group of rows has no column ${without.element.name}`);
  const total = Number(group.num_rows);
  for (let done = 0; done < total; done += WINDOW) {
    const count = Math.min(WINDOW, total - done);
    const values = new Map<string, DecodedArray>();
    for (const reader of readers) values.set(reader.path.join("."), await reader.take(count));
    yield watched(name, () => {
      for (const field of fields) {
        if (field.children.length > 0) assembleNested(values, field, DEFAULT_PARSERS);
      }
      return Array.from({ length: count }, (_, row) =>
        Object.fromEntries(
          fields.map(({ element: { name } }) => [name, plain(values.get(name)?.[row] ?? null)]),
        ),
      );
    });
  }
}

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
