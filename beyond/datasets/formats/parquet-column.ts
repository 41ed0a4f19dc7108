/**
 * One column of a row group, page by page. hyparquet reads a row group as a whole, and writers put a million rows
 * into one; here its own page decoder is called for as many pages as are needed.
 */
import type { ColumnChunk, DecodedArray, SchemaTree } from "hyparquet";
import { parquetHeader, readPage } from "hyparquet/src/column.js";
import { convert, DEFAULT_PARSERS } from "hyparquet/src/convert.js";
import { getMaxRepetitionLevel, getTreePath } from "hyparquet/src/schema.js";
import type { ColumnDecoder, Compressors } from "hyparquet/src/types.js";
import { watched } from "#platform/watchdog.ts";
import type { Source } from "./source.ts";

/** Bytes read at once; a page that is larger is read whole. */
const READ = 1 << 20;

/** Bytes of an unpacked page; writers make pages of a megabyte. */
const LARGEST_PAGE = 1 << 28;

export class ColumnReader {
  readonly path: string[];
  private readonly decoder: ColumnDecoder;
  /** Whether a row may hold several values, and so lie across two pages. */
  private readonly repeated: boolean;
  private dictionary: DecodedArray | undefined;
  /** Values decoded and not taken yet: [next, ready.length). The last row of a repeated column may go on. */
  private ready: DecodedArray = [];
  private next = 0;
  /** Bytes read and not decoded yet. */
  private bytes = new DataView(new ArrayBuffer(0));
  private position: number;
  /** Values of the column in the row group. */
  private readonly values: number;
  private readonly end: number;

  constructor(
    private readonly file: NonNullable<Source["file"]>,
    private readonly name: string,
    schema: SchemaTree,
    chunk: ColumnChunk,
    compressors: Compressors,
  ) {
    const metadata = chunk.meta_data;
    if (!metadata) throw new Error("a column has no metadata");
    this.path = metadata.path_in_schema;
    const schemaPath = getTreePath(schema, this.path);
    const { element } = schemaPath[schemaPath.length - 1];
    const named = { pathInSchema: this.path, element, schemaPath };
    this.decoder = { ...named, ...metadata, compressors, parsers: DEFAULT_PARSERS };
    this.repeated = getMaxRepetitionLevel(schemaPath) > 0;
    this.position = Number(metadata.dictionary_page_offset || metadata.data_page_offset);
    this.values = Number(metadata.num_values);
    this.end = this.position + Number(metadata.total_compressed_size);
  }

  /** The values of the next rows, as many as are asked for. */
  async take(count: number): Promise<unknown[]> {
    const taken: unknown[] = [];
    while (taken.length < count) {
      const complete = this.ready.length - (this.repeated && this.hasMore ? 1 : 0);
      const until = Math.min(complete, this.next + count - taken.length);
      for (; this.next < until; this.next++) taken.push(this.ready[this.next]);
      if (taken.length < count) {
        if (!this.hasMore) throw new Error(`the column ${this.path.join(".")} ends too early`);
        await this.decodePage();
      }
    }
    return taken;
  }

  private get hasMore(): boolean {
    return this.bytes.byteLength > 0 || this.position < this.end;
  }

  private async decodePage(): Promise<void> {
    await this.require(READ);
    const reader = { view: this.bytes, offset: 0 };
    const header = watched(this.name, () => parquetHeader(reader));
    this.requireSound(header);
    if (reader.offset + header.compressed_page_size > this.bytes.byteLength) {
      await this.require(reader.offset + header.compressed_page_size);
      reader.view = this.bytes;
    }
    const unfinished = this.repeated ? Array.from(this.ready.slice(this.next)) : undefined;
    const page = watched(this.name, () =>
      readPage(reader, header, this.decoder, this.dictionary, unfinished, 0),
    );
    const { buffer, byteOffset, byteLength } = this.bytes;
    const rest = byteLength - reader.offset;
    this.bytes = new DataView(buffer, byteOffset + reader.offset, rest);
    if (header.type === "DICTIONARY_PAGE") {
      const { data } = page;
      this.dictionary = data && watched(this.name, () => convert(data, this.decoder));
      return;
    }
    this.ready = page.data ?? unfinished ?? [];
    this.next = 0;
  }

  /** Throws for a page that cannot be one of this column: its sizes decide what is allocated. */
  private requireSound(header: ReturnType<typeof parquetHeader>): void {
    const { compressed_page_size, uncompressed_page_size } = header;
    const page =
      header.data_page_header ?? header.data_page_header_v2 ?? header.dictionary_page_header;
    const sizes = [compressed_page_size, uncompressed_page_size, page?.num_values ?? 0];
    const sound =
      sizes.every((size) => size >= 0) &&
      compressed_page_size <= this.file.byteLength &&
      uncompressed_page_size <= LARGEST_PAGE &&
      (page?.num_values ?? 0) <= this.values;
    if (!sound) throw new Error(`a page of the column ${this.path.join(".")} is damaged`);
  }

  /** Sees to it that so many bytes are there, or all that are left. */
  private async require(count: number): Promise<void> {
    const missing = Math.min(Math.max(count - this.bytes.byteLength, 0), this.end - this.position);
    if (missing === 0) return;
    const added = Math.min(Math.max(missing, READ), this.end - this.position);
    const { buffer, byteOffset, byteLength } = this.bytes;
    const joined = new Uint8Array(byteLength + added);
    joined.set(new Uint8Array(buffer, byteOffset, byteLength));
    joined.set(
      new Uint8Array(await this.file.slice(this.position, this.position + added)),
      byteLength,
    );
    this.position += added;
    this.bytes = new DataView(joined.buffer);
  }
}
