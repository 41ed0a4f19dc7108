/** What is found out about a data set by reading it once: counts, with the first few examples of each finding. */
import type { Judge, Row } from "../../lib/data/judge.ts";
import { type Asked, textOf } from "../../lib/data/questions.ts";
import { UserError } from "../../lib/errors.ts";
import { type BadRow, isBad } from "./rows.ts";
import { hashText, questionHash } from "./split.ts";

/** How often something was found, and the first times. */
export interface Finding<T> {
  count: number;
  first: T[];
}

/** Examples kept of each finding. */
const EXAMPLES = 5;
/** Questions whose lengths stand for all, chosen by chance; and the longest ones, which are looked at too. */
const SAMPLE = 10_000;
const LONGEST = 1_000;

const finding = <T>(): Finding<T> => ({ count: 0, first: [] });

function note<T>(found: Finding<T>, example: T): void {
  if (++found.count <= EXAMPLES) found.first.push(example);
}

/** A question that stands for others when lengths are measured. */
export interface AskedRow extends Asked {
  line: number;
}

export class DataCheck {
  rows = 0;
  usable = 0;
  readonly bad = finding<BadRow>();
  readonly unreadable = finding<{ line: number; answer: string; problem: string }>();
  /** A question again, with the same answer, or with another one. */
  readonly repeated = finding<{ line: number; before: number }>();
  readonly contradicting = finding<{
    line: number;
    before: number;
    answer: string;
  }>();
  /** Questions that are in the other data set too. */
  readonly shared = finding<{ line: number; other: number; question: string }>();
  /** Each different question by its hash: its place in the lists of lines and answers. */
  private readonly places = new Map<number, number>();
  private readonly lines: number[] = [];
  private readonly answers: number[] = [];
  private readonly sample = new Smallest<AskedRow>(SAMPLE);
  private readonly longest = new Smallest<AskedRow>(LONGEST);

  /**
   * @param outcome what reads the answers
   * @param answersDiffer false where one question has many right answers, as in countdown
   * @param other the data set that nothing should be shared with
   */
  constructor(
    private readonly outcome: Judge,
    private readonly answersDiffer: boolean,
    private readonly other?: DataCheck,
  ) {}

  /** Looks at one more row. `problem` says why no completion can earn it; null where one can. */
  add(row: Row | BadRow, problem: string | null): void {
    this.rows++;
    if (isBad(row)) note(this.bad, row);
    else this.addGood(row, problem);
  }

  private addGood(row: Row, problem: string | null): void {
    const { line } = row;
    const question = textOf(row);
    const gold = this.goldOf(row);
    if (gold === null || problem !== null) {
      const why = problem ?? "is none that --outcome reads";
      note(this.unreadable, { line, answer: row.answer, problem: why });
      return;
    }
    this.usable++;
    const asked = { line, question: row.question, turns: row.turns };
    this.sample.add(hashText(String(line)), asked);
    this.longest.add(-question.length, asked);

    const hash = questionHash(question);
    const elsewhere = this.other?.lineOf(hash);
    if (elsewhere !== undefined) note(this.shared, { line, other: elsewhere, question });
    const answer = this.answersDiffer ? hashText(gold) : 0;
    const place = this.places.get(hash);
    if (place === undefined) {
      this.places.set(hash, this.lines.length);
      this.lines.push(line);
      this.answers.push(answer);
    } else if (this.answers[place] === answer) {
      note(this.repeated, { line, before: this.lines[place] });
    } else {
      note(this.contradicting, { line, before: this.lines[place], answer: gold });
    }
  }

  get different(): number {
    return this.lines.length;
  }

  /** Questions by chance, all if they are not many. */
  get sampled(): AskedRow[] {
    return this.sample.values;
  }

  /** The questions of most characters, the longest first. */
  get longestAsked(): AskedRow[] {
    return this.longest.values;
  }

  private lineOf(hash: number): number | undefined {
    const place = this.places.get(hash);
    return place === undefined ? undefined : this.lines[place];
  }

  private goldOf(row: Row): string | null {
    try {
      return this.outcome.gold(row);
    } catch (error) {
      if (error instanceof UserError) return null;
      throw error;
    }
  }
}

/** The values with the smallest keys, in their order. */
class Smallest<T> {
  private kept: { key: number; value: T }[] = [];
  private largest = Number.POSITIVE_INFINITY;

  constructor(private readonly count: number) {}

  add(key: number, value: T): void {
    if (key >= this.largest) return;
    this.kept.push({ key, value });
    if (this.kept.length >= 2 * this.count) this.cut();
  }

  get values(): T[] {
    this.cut();
    return this.kept.map(({ value }) => value);
  }

  private cut(): void {
    this.kept.sort((a, b) => a.key - b.key);
    this.kept.length = Math.min(this.kept.length, this.count);
    if (this.kept.length === this.count) this.largest = this.kept[this.count - 1].key;
  }
}
