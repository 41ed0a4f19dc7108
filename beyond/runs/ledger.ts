import { existsSync, statSync } from "node:fs";
import { crc32 } from "node:zlib";
import { Database } from "#platform/sqlite.ts";
import { UserError } from "../../lib/errors.ts";
import { diskError } from "../platform/files.ts";
import { RunLock } from "./lock.ts";

/** One sampled completion, as it is kept. */
export interface Rollout {
  /** The question's text, the counter's key. */
  question: string;
  /** Place of the question among those drawn in the step. */
  slot: number;
  /** Place of the completion in its group. */
  sample: number;
  completion: string;
  /** Canonical final answer; null when there is none. */
  outcome: string | null;
  /** Whether the outcome is the right one: what solves a question, whatever the reward. */
  correct: boolean;
  /** Null for a completion that was left out of what is learned from. */
  reward: number | null;
  /** The parts of the reward before they are weighted, null for one that does not apply; older versions kept none. */
  parts: Record<string, number | null> | null;
  /** The exploration term that was added to the advantage. */
  exploration: number;
  /** A_i of the reward alone. */
  advantage: number;
  /** Tokens of the completion, its end token included. */
  tokens: number;
  truncated: boolean;
  /** Mean over its tokens, at the sampling temperature. */
  logprob: number;
  /** Mean over its tokens, in nats. */
  entropy: number;
  /** Its tokens, the end token included, and the log-probability of each; older versions kept neither. */
  tokenIds: readonly number[] | null;
  logprobs: readonly number[] | null;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS questions (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE IF NOT EXISTS rollouts (
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    sample INTEGER NOT NULL,
    question INTEGER NOT NULL REFERENCES questions (id),
    completion TEXT NOT NULL,
    outcome TEXT,
    correct INTEGER NOT NULL,
    reward REAL,
    exploration REAL NOT NULL,
    advantage REAL NOT NULL,
    tokens INTEGER NOT NULL,
    truncated INTEGER NOT NULL,
    logprob REAL,
    entropy REAL,
    parts TEXT,
    UNIQUE (step, slot, sample)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS tokens (
    rollout INTEGER PRIMARY KEY REFERENCES rollouts (id),
    ids BLOB NOT NULL,
    logprobs BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS prompts (
    question INTEGER PRIMARY KEY REFERENCES questions (id),
    text TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS checkpoints (step INTEGER PRIMARY KEY) STRICT;
`;

const NONE: ReadonlyMap<string, string> = new Map();

/** Version 0.1.0 kept the reward alone, which was 1 for a right answer. */
const CORRECT_BEFORE = "reward >= 1";

/** A ledger for reading, also one that is being written, or that lies where nothing can be written. */
export function openForReading(path: string): Database {
  try {
    const database = new Database(path, { readonly: true });
    database.query("SELECT id FROM questions LIMIT 1").values();
    return database;
  } catch (error) {
    // a reader writes too, into the index of the write-ahead log; where it cannot, nobody else can
    if ((error as { code?: string }).code !== "SQLITE_CANTOPEN" || !existsSync(path)) throw error;
    if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) {
      throw new UserError(
        `${path} was not closed, and its last steps are in ${path}-wal: copy the run to where it can be written`,
      );
    }
    return new Database(path, { immutable: true });
  }
}

/** What this ledger, which may be of an older version, keeps of a rollout. */
export const columnsIn = (database: Database): string[] =>
  database.query("SELECT * FROM rollouts LIMIT 0").columnNames;

/** The expression of SQL that says whether a rollout is right, in this ledger. */
export const correctIn = (database: Database): string =>
  columnsIn(database).includes("correct") ? "correct" : CORRECT_BEFORE;

/** Whether this ledger keeps what the model was given. */
export const hasPrompts = (database: Database): boolean =>
  database.query("SELECT 1 FROM sqlite_master WHERE name = 'prompts'").values().length > 0;

function lastStepIn(database: Database): number {
  const [[last]] = database.query("SELECT MAX(step) FROM rollouts").values();
  return Number(last);
}

/** Whether the ledger has the columns of this version. */
const isCurrent = (database: Database) => columnsIn(database).includes("parts");

/** Gives a ledger of an older version the columns of this one. */
function bringUpToDate(database: Database) {
  if (isCurrent(database)) return;
  const kept =
    "id, step, slot, sample, question, completion, outcome, reward, exploration, advantage, tokens, truncated, logprob, entropy";
  database.transaction(() => {
    const correct = correctIn(database);
    database.run("ALTER TABLE rollouts RENAME TO older");
    database.run(SCHEMA);
    database.run(`INSERT INTO rollouts (${kept}, correct) SELECT ${kept}, ${correct} FROM older`);
    database.run("DROP TABLE older");
  });
}

/** The bytes of numbers, little-endian as everywhere. */
const bytesOf = (values: Uint32Array | Float32Array) => new Uint8Array(values.buffer);

/**
 * Every rollout of a run, in SQLite: what counts, reports and a resumed run are rebuilt from. A step is
 * one transaction, and is on the disk when `append` returns. Others may read while a run writes.
 */
export class Ledger {
  private readonly lock: RunLock;
  private readonly database: Database;
  /** Checksums of the first steps, as far as they were asked for. */
  private readonly checked: number[] = [];

  /** Opens or makes the ledger for writing; refuses one that another process writes to. */
  constructor(readonly path: string) {
    // the ledger itself stays open to readers
    this.lock = new RunLock(path);
    this.database = this.guard(() => {
      const database = new Database(path);
      database.run("PRAGMA journal_mode = WAL");
      database.run("PRAGMA synchronous = FULL");
      database.run(SCHEMA);
      bringUpToDate(database);
      return database;
    });
  }

  /**
   * Adds the rollouts of one step, all or none.
   * @param prompts what the model was given for each question, with its special tokens
   */
  append(step: number, rollouts: readonly Rollout[], prompts: ReadonlyMap<string, string> = NONE) {
    this.guard(() => {
      const addPrompt = this.database.query(
        "INSERT OR IGNORE INTO prompts SELECT id, ? FROM questions WHERE text = ?",
      );
      const addQuestion = this.database.query("INSERT OR IGNORE INTO questions (text) VALUES (?)");
      const addRollout = this.database.query(
        `INSERT INTO rollouts (step, slot, sample, question, completion, outcome, correct,
           reward, exploration, advantage, tokens, truncated, logprob, entropy, parts)
         VALUES (?, ?, ?, (SELECT id FROM questions WHERE text = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      );
      const addTokens = this.database.query("INSERT INTO tokens VALUES (?, ?, ?)");
      this.database.transaction(() => {
        for (const r of rollouts) {
          addQuestion.run(r.question);
          const { lastInsertRowid } = addRollout.run(
            step,
            r.slot,
            r.sample,
            r.question,
            r.completion,
            r.outcome,
            r.correct ? 1 : 0,
            r.reward,
            r.exploration,
            r.advantage,
            r.tokens,
            r.truncated ? 1 : 0,
            r.logprob,
            r.entropy,
            r.parts && JSON.stringify(r.parts),
          );
          if (r.tokenIds === null || r.logprobs === null) continue;
          const ids = bytesOf(Uint32Array.from(r.tokenIds));
          addTokens.run(lastInsertRowid, ids, bytesOf(Float32Array.from(r.logprobs)));
        }
        for (const [question, prompt] of prompts) addPrompt.run(prompt, question);
      });
    });
  }

  /** The last step that has rollouts, 0 when none has. */
  lastStep(): number {
    return this.guard(() => lastStepIn(this.database));
  }

  /** Notes that the checkpoint of a step is on the disk. */
  noteSaved(step: number) {
    this.guard(() => this.database.query("INSERT OR IGNORE INTO checkpoints VALUES (?)").run(step));
  }

  /** The last step whose checkpoint was saved, 0 when none was. */
  lastSaved(): number {
    return this.guard(() => {
      const [[last]] = this.database.query("SELECT MAX(step) FROM checkpoints").values();
      return Number(last);
    });
  }

  /** A checksum of the rollouts of each step up to `last`, from step 1 on: what a checkpoint knows of the ledger. */
  checks(last: number): number[] {
    return this.guard(() => {
      const rows = this.database.query(
        `SELECT slot, sample, text, completion, outcome, correct, reward, exploration, advantage,
           tokens, truncated, logprob, entropy, parts
         FROM rollouts JOIN questions ON questions.id = question WHERE step = ? ORDER BY rollouts.id`,
      );
      // the checksum of rows that an older version wrote is of its columns
      const asWritten = (row: unknown[]) => (row.at(-1) === null ? row.slice(0, -1) : row);
      while (this.checked.length < last) {
        const step = rows.values(this.checked.length + 1);
        this.checked.push(crc32(JSON.stringify(step.map(asWritten))));
      }
      return this.checked.slice(0, last);
    });
  }

  /** Removes the rows of steps after `step`, which a resumed run will write again. */
  removeAfter(step: number) {
    this.guard(() => {
      const later = "SELECT id FROM rollouts WHERE step > ?";
      this.database.query(`DELETE FROM tokens WHERE rollout IN (${later})`).run(step);
      this.database.query("DELETE FROM rollouts WHERE step > ?").run(step);
      this.database.query("DELETE FROM checkpoints WHERE step > ?").run(step);
    });
  }

  /** Every (x, a, N(x, a)), in order of first appearance: what the outcome counter is rebuilt from. */
  counts(): [question: string, outcome: string | null, count: number][] {
    return this.guard(
      () =>
        this.database
          .query(
            `SELECT text, outcome, COUNT(*) FROM rollouts JOIN questions ON questions.id = question
             GROUP BY question, outcome ORDER BY MIN(rollouts.id)`,
          )
          .values() as [string, string | null, number][],
    );
  }

  /** Questions answered right at least once so far. */
  solvedQuestions(): string[] {
    return this.guard(
      () =>
        this.database
          .query(
            `SELECT text FROM questions WHERE id IN (SELECT question FROM rollouts WHERE correct)
             ORDER BY id`,
          )
          .values()
          .flat() as string[],
    );
  }

  close() {
    this.database.close();
    this.lock.close();
  }

  private guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw diskError(error, this.path);
    }
  }
}

/** Reads a ledger, also one that is being written. */
export class LedgerReader {
  private readonly database: Database;

  constructor(private readonly path: string) {
    try {
      this.database = openForReading(path);
    } catch (error) {
      throw diskError(error, path);
    }
  }

  /** The last step that has rollouts, 0 when none has. */
  lastStep(): number {
    return lastStepIn(this.database);
  }

  /** Of all completions together up to `step`. */
  tokens(step: number): number {
    const query = this.database.query("SELECT SUM(tokens) FROM rollouts WHERE step <= ?");
    const [[tokens]] = query.values(step);
    return Number(tokens);
  }

  /** Every rollout in the order they were sampled, one at a time: a ledger may be larger than memory. */
  *rollouts(): Generator<Rollout & { step: number }> {
    const query = this.database.query(
      `SELECT step, slot, sample, text AS question, completion, outcome,
         ${correctIn(this.database)} AS correct, reward,
         exploration, advantage, tokens, truncated, logprob, entropy,
         ${isCurrent(this.database) ? "parts, ids, logprobs" : "NULL parts, NULL ids, NULL logprobs"}
       FROM rollouts JOIN questions ON questions.id = question
         ${isCurrent(this.database) ? "LEFT JOIN tokens ON rollout = rollouts.id" : ""} ORDER BY rollouts.id`,
    );
    try {
      for (const { ids, ...row } of query.iterate<StoredRollout>()) {
        yield {
          ...row,
          correct: row.correct === 1,
          truncated: row.truncated === 1,
          parts: row.parts === null ? null : JSON.parse(row.parts),
          tokenIds: ids && [...new Uint32Array(ids.slice().buffer)],
          logprobs: row.logprobs && [...new Float32Array(row.logprobs.slice().buffer)],
        };
      }
    } catch (error) {
      throw diskError(error, this.path);
    }
  }

  close() {
    this.database.close();
  }
}

type StoredRollout = Omit<Rollout, "correct" | "truncated" | "parts" | "tokenIds" | "logprobs"> & {
  step: number;
  correct: number;
  truncated: number;
  parts: string | null;
  ids: Uint8Array | null;
  logprobs: Uint8Array | null;
};
