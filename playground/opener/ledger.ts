import initSqlJs from "sql.js/dist/sql-wasm-browser.js";
import wasm from "sql.js/dist/sql-wasm-browser.wasm" with { type: "file" };
import { UserError } from "../../lib/errors.ts";
import { addTo, type Log } from "../page/log.ts";

/** SQLite has all of a ledger in memory here. */
const LARGEST = 2 ** 29;

/** Where SQLite keeps whether a database is written by way of a log beside it. */
const FORMATS = [18, 19];

/**
 * Reads the completions of a run's `ledger.sqlite`.
 * @throws UserError for one too large, or none
 */
export async function readLedger(file: Blob, log: Log): Promise<void> {
  if (file.size > LARGEST) {
    const megabytes = Math.round(file.size / 2 ** 20);
    throw new UserError(
      `ledger.sqlite has ${megabytes} MiB, too many for a page: rlexplore report draws its treasure map.`,
    );
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  // without that log, of which there is none in memory
  for (const place of FORMATS) bytes[place] = 1;
  const program = await fetch(new URL(wasm, import.meta.url));
  const { Database } = await initSqlJs({ wasmBinary: await program.arrayBuffer() });
  const database = new Database(bytes);
  try {
    const rows = database.prepare(
      `SELECT step, text, completion, outcome, ${correctIn(database)}
       FROM rollouts JOIN questions ON questions.id = question ORDER BY rollouts.id`,
    );
    while (rows.step()) {
      const [step, question, text, outcome, correct] = rows.get();
      addTo(log, Number(step), [
        {
          question: String(question),
          texts: [String(text)],
          outcomes: [outcome === null ? null : String(outcome)],
          correct: [correct === 1],
        },
      ]);
    }
  } catch (error) {
    throw new UserError(`ledger.sqlite cannot be read: ${(error as Error).message}.`);
  } finally {
    database.close();
  }
}

/** Version 0.1.0 kept the reward alone, which was 1 for a right answer. */
function correctIn(database: { prepare(sql: string): { getColumnNames(): string[] } }): string {
  const columns = database.prepare("SELECT * FROM rollouts LIMIT 0").getColumnNames();
  return columns.includes("correct") ? "correct" : "reward >= 1";
}
