import { existsSync } from "node:fs";
import type { Database } from "#platform/sqlite.ts";
import { diskError } from "../platform/files.ts";
import { correctIn, openForReading } from "../runs/ledger.ts";

/** Rows read from the ledger at once. */
const ROWS = 20_000;

/**
 * The rollouts of a run without their texts, a column an array, in the order they were sampled: small
 * enough to keep in memory (some 70 bytes a rollout), so that only new rows are read from the ledger.
 */
export class RolloutLog {
  readonly id: number[] = [];
  readonly step: number[] = [];
  readonly slot: number[] = [];
  /** Index into `questions`. */
  readonly question: number[] = [];
  /** Index into `outcomes`, -1 for no answer. */
  readonly outcome: number[] = [];
  readonly correct: boolean[] = [];
  /** Mean over the tokens of the completion, in nats. */
  readonly entropy: number[] = [];
  /** Tokens of the completion. */
  readonly tokens: number[] = [];
  readonly questions: string[] = [];
  readonly outcomes: string[] = [];
  private readonly questionIndex = new Map<number, number>();
  private readonly outcomeIndex = new Map<string, number>();
  private database: Database | null = null;

  constructor(private readonly path: string) {}

  get length(): number {
    return this.id.length;
  }

  /** Reads the rows added since; true if there were any. A ledger that is not there yet has none. */
  refresh(): boolean {
    if (!existsSync(this.path)) return false;
    try {
      return this.readNew();
    } catch (error) {
      throw diskError(error, this.path);
    }
  }

  /** The texts of these rollouts, given by their places in the log. */
  completions(places: readonly number[]): string[] {
    const query = this.open().query("SELECT completion FROM rollouts WHERE id = ?");
    return places.map((place) => String(query.values(this.id[place])[0]?.[0] ?? ""));
  }

  close() {
    this.database?.close();
    this.database = null;
  }

  private open(): Database {
    this.database ??= openForReading(this.path);
    return this.database;
  }

  private readNew(): boolean {
    const database = this.open();
    if (this.wasRewritten(database)) this.clear();
    const before = this.length;
    const query = database.query(
      `SELECT id, step, slot, question, outcome, ${correctIn(database)}, entropy, tokens FROM rollouts
       WHERE id > ? ORDER BY id LIMIT ${ROWS}`,
    );
    for (;;) {
      const rows = query.values(this.id.at(-1) ?? 0) as Row[];
      if (rows.length === 0) break;
      for (const row of rows) this.add(row);
      if (rows.length < ROWS) break;
    }
    return this.length > before;
  }

  /** Whether a resumed run removed the last row known here, whose id another may have now. */
  private wasRewritten(database: Database): boolean {
    const last = this.length - 1;
    if (last < 0) return false;
    const [row] = database
      .query("SELECT step, slot, outcome FROM rollouts WHERE id = ?")
      .values(this.id[last]) as [number, number, string | null][];
    const outcome = this.outcome[last] < 0 ? null : this.outcomes[this.outcome[last]];
    return !row || row[0] !== this.step[last] || row[1] !== this.slot[last] || row[2] !== outcome;
  }

  private add([id, step, slot, question, outcome, correct, entropy, tokens]: Row) {
    this.id.push(id);
    this.step.push(step);
    this.slot.push(slot);
    this.question.push(this.indexOfQuestion(question));
    this.outcome.push(outcome === null ? -1 : this.indexOfOutcome(outcome));
    this.correct.push(correct === 1);
    this.entropy.push(entropy ?? Number.NaN);
    this.tokens.push(tokens);
  }

  private indexOfQuestion(key: number): number {
    let index = this.questionIndex.get(key);
    if (index === undefined) {
      index = this.questions.length;
      const [[text]] = this.open().query("SELECT text FROM questions WHERE id = ?").values(key);
      this.questions.push(String(text));
      this.questionIndex.set(key, index);
    }
    return index;
  }

  private indexOfOutcome(text: string): number {
    let index = this.outcomeIndex.get(text);
    if (index === undefined) {
      index = this.outcomes.length;
      this.outcomes.push(text);
      this.outcomeIndex.set(text, index);
    }
    return index;
  }

  private clear() {
    const { id, step, slot, question, outcome, correct, entropy, tokens } = this;
    const columns = [id, step, slot, question, outcome, correct, entropy, tokens];
    for (const column of [...columns, this.questions, this.outcomes]) column.length = 0;
    this.questionIndex.clear();
    this.outcomeIndex.clear();
  }
}

type Row = [
  id: number,
  step: number,
  slot: number,
  question: number,
  outcome: string | null,
  correct: number,
  entropy: number | null,
  tokens: number,
];
