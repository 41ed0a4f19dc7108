import { existsSync } from "node:fs";
import type { BasicType, ColumnSource } from "hyparquet-writer";
import { UserError } from "../../lib/errors.ts";
import { formatBytes } from "../memory/memory-plan.ts";
import { writeNew } from "../platform/files.ts";
import { RunFolder } from "../runs/folder.ts";
import { LedgerReader, type Rollout } from "../runs/ledger.ts";

type Row = Rollout & { step: number };

/** The columns of a row, in the order in which they are written. */
const COLUMNS: Record<keyof Row, { type: BasicType; nullable: boolean }> = {
  step: { type: "INT32", nullable: false },
  slot: { type: "INT32", nullable: false },
  sample: { type: "INT32", nullable: false },
  question: { type: "STRING", nullable: false },
  completion: { type: "STRING", nullable: false },
  outcome: { type: "STRING", nullable: true },
  correct: { type: "BOOLEAN", nullable: false },
  reward: { type: "DOUBLE", nullable: false },
  exploration: { type: "DOUBLE", nullable: false },
  advantage: { type: "DOUBLE", nullable: false },
  tokens: { type: "INT32", nullable: false },
  truncated: { type: "BOOLEAN", nullable: false },
  logprob: { type: "DOUBLE", nullable: true },
  entropy: { type: "DOUBLE", nullable: true },
};
const NAMES = Object.keys(COLUMNS) as (keyof Row)[];

/** Rows held in memory at once. */
const BATCH = 10_000;

/** `rlexplore export --rollouts`: a run's ledger for other tools, a row for every completion ever sampled. */
export async function exportRollouts(run: string, path: string): Promise<void> {
  if (existsSync(path)) throw new UserError(`${path} already exists; choose another --rollouts`);
  const ledger = new LedgerReader(RunFolder.open(run, "the path").ledgerPath);
  let count = 0;
  function* counted() {
    for (const batch of batches(ledger.rollouts())) {
      count += batch.length;
      yield batch;
    }
  }
  try {
    const pieces = path.endsWith(".parquet") ? parquet(counted()) : jsonLines(counted());
    const { bytes } = await writeNew(path, pieces);
    console.log(`${path}: ${count} rollouts, ${formatBytes(bytes)}`);
  } finally {
    ledger.close();
  }
}

function* batches(rows: Iterable<Row>): Generator<Row[]> {
  let batch: Row[] = [];
  for (const row of rows) {
    batch.push(row);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function* jsonLines(rows: Iterable<Row[]>): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  for (const batch of rows) {
    yield encoder.encode(batch.map((row) => `${JSON.stringify(row, NAMES)}\n`).join(""));
  }
}

/** A row group for each batch. */
async function* parquet(rows: Iterable<Row[]>): AsyncGenerator<Uint8Array> {
  const { ByteWriter, ParquetWriter, schemaFromColumnData } = await import("hyparquet-writer");
  const columns = (batch: readonly Row[]): ColumnSource[] =>
    NAMES.map((name) => ({ name, ...COLUMNS[name], data: batch.map((row) => row[name]) }));
  const writer = new ByteWriter();
  const file = new ParquetWriter({
    writer,
    schema: schemaFromColumnData({ columnData: columns([]) }),
  });
  const written = () => {
    const bytes = writer.getBytes().slice();
    writer.index = 0;
    return bytes;
  };
  for (const batch of rows) {
    file.write({ columnData: columns(batch), rowGroupSize: batch.length });
    yield written();
  }
  file.finish();
  yield written();
}
