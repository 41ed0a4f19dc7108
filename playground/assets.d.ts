/** Questions, imported `with { type: "text" }`. */
declare module "*.jsonl" {
  const text: string;
  export default text;
}
/** Imported `with { type: "file" }`: its address beside the program. */
declare module "*.wasm" {
  const address: string;
  export default address;
}
/** SQLite, as far as it is used here (https://sql.js.org). */
declare module "sql.js/dist/sql-wasm-browser.js" {
  interface Statement {
    step(): boolean;
    get(): (string | number | Uint8Array | null)[];
    getColumnNames(): string[];
  }
  interface Opened {
    prepare(sql: string): Statement;
    close(): void;
  }
  interface Sqlite {
    Database: new (bytes: Uint8Array) => Opened;
  }
  export default function initSqlJs(options: { wasmBinary: ArrayBuffer }): Promise<Sqlite>;
}
/** Bun's threads have this, in modules that a page has its own in the place of. */
interface Worker {
  unref(): void;
}
