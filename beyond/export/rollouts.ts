import { existsSync } from "node:fs";
import type { ParquetType, SchemaElement } from "hyparquet";
import type { BasicType } from "hyparquet-writer";
import { UserError } from "../../lib/errors.ts";
import { formatBytes } from "../memory/memory-plan.ts";
import { writeNew } from "../platform/files.ts";
import { RunFolder } from "../runs/folder.ts";
import { LedgerReader, type Rollout } from "../runs/ledger.ts";

/** A rollout as it is written: what other tools call these lists. */
type Row = Omit<Rollout, "tokenIds"> & { step: number; token_ids: Rollout["tokenIds"] };

interface Column {
  /** Of its values, or of the elements of a list. */
  type: BasicType;
  nullable: boolean;
  list?: true;
}

/** The columns of a row, in the order in which they are written. */
const COLUMNS: Record<keyof Row, Column> = {
  step: { type: "INT32", nullable: false },
  slot: { type: "INT32", nullable: false },
  sample: { type: "INT32", nullable: false },
  question: { type: "STRING", nullable: false },
  completion: { type: "STRING", nullable: false },
  outcome: { type: "STRING", nullable: true },
  correct: { type: "BOOLEAN", nullable: false },
  reward: { type: "DOUBLE", nullable: true },
  parts: { type: "JSON", nullable: true },
  exploration: { type: "DOUBLE", nullable: false },
  advantage: { type: "DOUBLE", nullable: false },
  tokens: { type: "INT32", nullable: false },
  truncated: { type: "BOOLEAN", nullable: false },
  logprob: { type: "DOUBLE", nullable: true },
  entropy: { type: "DOUBLE", nullable: true },
  token_ids: { type: "INT32", nullable: true, list: true },
  logprobs: { type: "FLOAT", nullable: true, list: true },
};
const NAMES = Object.keys(COLUMNS) as (keyof Row)[];

/** Rows held in memory at once. */
const BATCH = 10_000;

/** `rlexplore export --rollouts`: a run's ledger for other tools, a row for every completion ever sampled. */
export async function exportRollouts(run: string, path: string): Promise<void> {
  if (existsSync(path)) throw new UserError(`${path} already exists; choose another --rollouts`);
  const { ledgerPath } = RunFolder.open(run, "the path");
  if (!existsSync(ledgerPath)) {
    throw new UserError(
      `${run} has no rollouts (ledger.sqlite); give the folder of a run of train`,
    );
  }
  const ledger = new LedgerReader(ledgerPath);
  let count = 0;
  let bare = 0;
  function* counted() {
    for (const batch of batches(ledger.rollouts())) {
      count += batch.length;
      bare += batch.filter(({ token_ids }) => token_ids === null).length;
      yield batch;
    }
  }
  try {
    const pieces = path.endsWith(".parquet") ? parquet(counted()) : jsonLines(counted());
    const { bytes } = await writeNew(path, pieces);
    console.log(`${path}: ${count} rollouts, ${formatBytes(bytes)}`);
    if (bare > 0) {
      console.log(
        `token_ids and logprobs are null in ${bare} of them: an older version sampled these, and kept neither`,
      );
    }
  } finally {
    ledger.close();
  }
}

function* batches(rollouts: Iterable<Rollout & { step: number }>): Generator<Row[]> {
  let batch: Row[] = [];
  for (const { tokenIds, ...rest } of rollouts) {
    batch.push({ ...rest, token_ids: tokenIds });
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function* jsonLines(rows: Iterable<Row[]>): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  for (const batch of rows) {
    const lines = batch.map((row) =>
      JSON.stringify(Object.fromEntries(NAMES.map((name) => [name, row[name]]))),
    );
    yield encoder.encode(`${lines.join("\n")}\n`);
  }
}

/** A row group for each batch. */
async function* parquet(rows: Iterable<Row[]>): AsyncGenerator<Uint8Array> {
  const { ByteWriter, ParquetWriter, schemaFromColumnData } = await import("hyparquet-writer");
  const scalars = NAMES.filter((name) => !COLUMNS[name].list);
  const described = scalars.map((name) => ({ name, ...COLUMNS[name], data: [] }));
  const [root, ...elements] = schemaFromColumnData({ columnData: described });
  const lists = NAMES.filter((name) => COLUMNS[name].list);
  const schema = [
    { ...root, num_children: NAMES.length },
    ...elements,
    ...lists.flatMap(listElements),
  ];
  const writer = new ByteWriter();
  const file = new ParquetWriter({ writer, schema });
  const written = () => {
    const bytes = writer.getBytes().slice();
    writer.index = 0;
    return bytes;
  };
  for (const batch of rows) {
    const columnData = NAMES.map((name) => ({ name, data: batch.map((row) => row[name]) }));
    file.write({ columnData, rowGroupSize: batch.length });
    yield written();
  }
  file.finish();
  yield written();
}

/** A list in three levels, as the format asks for: https://parquet.apache.org/docs/file-format/types/logicaltypes */
const listElements = (name: keyof Row): SchemaElement[] => [
  { name, repetition_type: "OPTIONAL", converted_type: "LIST", num_children: 1 },
  { name: "list", repetition_type: "REPEATED", num_children: 1 },
  { name: "element", type: COLUMNS[name].type as ParquetType, repetition_type: "REQUIRED" },
];
