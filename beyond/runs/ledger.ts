import { Database } from "bun:sqlite";
import { crc32 } from "node:zlib";
import { UserError } from "../../lib/errors.ts";
import { diskError } from "../platform/files.ts";

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
  reward: number;
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
    reward REAL NOT NULL,
    exploration REAL NOT NULL,
    advantage REAL NOT NULL,
    tokens INTEGER NOT NULL,
    truncated INTEGER NOT NULL,
    logprob REAL,
    entropy REAL,
    UNIQUE (step, slot, sample)
  ) STRICT;
`;

/** Version 0.1.0 kept the reward alone, which was 1 for a right answer. */
const CORRECT_BEFORE = "reward >= 1";

/** The expression of SQL that says whether a rollout is right, in this ledger. */
export function correctIn(database: Database): string {
  const { columnNames } = database.query("SELECT * FROM rollouts LIMIT 0");
  return columnNames.includes("correct") ? "correct" : CORRECT_BEFORE;
}

function lastStepIn(database: Database): number {
  const [[last]] = database.query("SELECT MAX(step) FROM rollouts").values();
  return Number(last);
}

function addCorrectness(database: Database) {
  if (correctIn(database) === "correct") return;
  database.transaction(() => {
    database.run("ALTER TABLE rollouts ADD COLUMN correct INTEGER NOT NULL DEFAULT 0");
    database.run(`UPDATE rollouts SET correct = ${CORRECT_BEFORE}`);
  })();
}

/**
 * Every rollout of a run, in SQLite: what counts, reports and a resumed run are rebuilt from. A step is
 * one transaction, and is on the disk when `append` returns. Others may read while a run writes.
 */
export class Ledger {
  private readonly lock: Database;
  private readonly database: Database;
  /** Checksums of the first steps, as far as they were asked for. */
  private readonly checked: number[] = [];

  /** Opens or makes the ledger for writing; refuses one that another process writes to. */
  constructor(readonly path: string) {
    try {
      // held until the process ends, however it ends; the ledger itself stays open to readers
      this.lock = new Database(`${path}.lock`);
      this.lock.run("BEGIN EXCLUSIVE");
    } catch (error) {
      if ((error as { code?: string }).code !== "SQLITE_BUSY") throw diskError(error, path);
      throw new UserError(`${path} is in use: another rlexplore writes this run; stop it first`);
    }
    this.database = this.guard(() => {
      const database = new Database(path);
      database.run("PRAGMA journal_mode = WAL");
      database.run("PRAGMA synchronous = FULL");
      database.run(SCHEMA);
      addCorrectness(database);
      return database;
    });
  }

  /** Adds the rollouts of one step, all or none. */
  append(step: number, rollouts: readonly Rollout[]) {
    this.guard(() => {
      const addQuestion = this.database.query("INSERT OR IGNORE INTO questions (text) VALUES (?)");
      const addRollout = this.database.query(
        `INSERT INTO rollouts (step, slot, sample, question, completion, outcome, correct,
           reward, exploration, advantage, tokens, truncated, logprob, entropy)
         VALUES (?, ?, ?, (SELECT id FROM questions WHERE text = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      );
      this.database.transaction(() => {
        for (const r of rollouts) {
          addQuestion.run(r.question);
          addRollout.run(
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
          );
        }
      })();
    });
  }

  /** The last step that has rollouts, 0 when none has. */
  lastStep(): number {
    return this.guard(() => lastStepIn(this.database));
  }

  /** A checksum of the rollouts of each step up to `last`, from step 1 on: what a checkpoint knows of the ledger. */
  checks(last: number): number[] {
    return this.guard(() => {
      const rows = this.database.query(
        `SELECT slot, sample, text, completion, outcome, correct, reward, exploration, advantage,
           tokens, truncated, logprob, entropy
         FROM rollouts JOIN questions ON questions.id = question WHERE step = ? ORDER BY rollouts.id`,
      );
      while (this.checked.length < last) {
        this.checked.push(crc32(JSON.stringify(rows.values(this.checked.length + 1))));
      }
      return this.checked.slice(0, last);
    });
  }

  /** Removes the rows of steps after `step`, which a resumed run will write again. */
  removeAfter(step: number) {
    this.guard(() => this.database.query("DELETE FROM rollouts WHERE step > ?").run(step));
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
      this.database = new Database(path, { readonly: true });
      this.database.query("SELECT id FROM rollouts LIMIT 1").all();
    } catch (error) {
      throw diskError(error, path);
    }
  }

  /** The last step that has rollouts, 0 when none has. */
  lastStep(): number {
    return lastStepIn(this.database);
  }

  /** Every rollout in the order they were sampled, one at a time: a ledger may be larger than memory. */
  *rollouts(): Generator<Rollout & { step: number }> {
    const query = this.database.query<StoredRollout, []>(
      `SELECT step, slot, sample, text AS question, completion, outcome,
         ${correctIn(this.database)} AS correct, reward,
         exploration, advantage, tokens, truncated, logprob, entropy
       FROM rollouts JOIN questions ON questions.id = question ORDER BY rollouts.id`,
    );
    try {
      for (const row of query.iterate()) {
        yield { ...row, correct: row.correct === 1, truncated: row.truncated === 1 };
      }
    } catch (error) {
      throw diskError(error, this.path);
    }
  }

  close() {
    this.database.close();
  }
}

type StoredRollout = Omit<Rollout, "correct" | "truncated"> & {
  step: number;
  correct: number;
  truncated: number;
};
