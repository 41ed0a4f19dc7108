import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { pathToFileURL } from "node:url";

type Value = string | number | Uint8Array | null;

interface OpenOptions {
  readonly?: boolean;
  /** Nobody writes it, and nothing can be written beside it. */
  immutable?: boolean;
}

/** What SQLite says, and what its errors are called in C. Not every runtime hands on their numbers. */
const CODES: [code: string, says: RegExp][] = [
  ["SQLITE_BUSY", /database is locked/],
  ["SQLITE_FULL", /database or disk is full/],
  ["SQLITE_READONLY", /attempt to write a readonly database/],
  ["SQLITE_CANTOPEN", /unable to open database/],
  ["SQLITE_IOERR", /disk I\/O error/],
  ["SQLITE_NOTADB", /file is not a database|unsupported file format/],
  ["SQLITE_CORRUPT", /database disk image is malformed|malformed database schema/],
];

/** A SQLite database. Its errors have a `code` such as `SQLITE_BUSY`. */
export class Database {
  private readonly database: DatabaseSync;
  private readonly statements = new Map<string, Statement>();

  constructor(path: string, { readonly = false, immutable = false }: OpenOptions = {}) {
    const name = immutable ? `${pathToFileURL(path)}?immutable=1` : path;
    this.database = named(
      () =>
        new DatabaseSync(name, {
          readOnly: readonly || immutable,
          // as in SQLite itself
          enableForeignKeyConstraints: false,
        }),
    );
  }

  run(sql: string): void {
    named(() => this.database.exec(sql));
  }

  /** A statement, compiled once. */
  query(sql: string): Statement {
    let statement = this.statements.get(sql);
    if (!statement) {
      statement = new Statement(named(() => this.database.prepare(sql)));
      this.statements.set(sql, statement);
    }
    return statement;
  }

  /** Does all of `work`, or nothing of it. */
  transaction(work: () => void): void {
    this.run("BEGIN");
    try {
      work();
      this.run("COMMIT");
    } catch (error) {
      // a disk that is full has ended the transaction already
      try {
        this.run("ROLLBACK");
      } catch {}
      throw error;
    }
  }

  close(): void {
    this.statements.clear();
    this.database.close();
  }
}

class Statement {
  constructor(private readonly statement: StatementSync) {}

  get columnNames(): string[] {
    return named(() => this.statement.columns().map(({ name }) => name));
  }

  run(...given: SQLInputValue[]): { lastInsertRowid: number } {
    return { lastInsertRowid: Number(named(() => this.statement.run(...given)).lastInsertRowid) };
  }

  /** All rows, each as its values. */
  values(...given: SQLInputValue[]): Value[][] {
    return named(() => {
      this.statement.setReturnArrays(true);
      return this.statement.all(...given) as unknown as Value[][];
    });
  }

  /** Rows as objects, one at a time. */
  *iterate<Row>(...given: SQLInputValue[]): Generator<Row> {
    const rows = named(() => {
      this.statement.setReturnArrays(false);
      return this.statement.iterate(...given);
    });
    for (;;) {
      const { done, value } = named(() => rows.next());
      if (done) return;
      yield value as Row;
    }
  }
}

function named<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const message = error instanceof Error ? error.message : "";
    const code = CODES.find(([, says]) => says.test(message))?.[0];
    throw code ? Object.assign(error as Error, { code }) : error;
  }
}
