import type { GenerationSettings } from "../../lib/model/completion.ts";
import type { Row, Waiting } from "../../lib/model/row-state.ts";

/** What a row may say next. */
export interface Guess {
  readonly tokens: readonly number[];
  /** Of each, how likely it and all before it are right: falling. */
  readonly chances: readonly number[];
}

/** Who guesses what rows say next. A guess may be anything: it changes no bit of any completion. */
export interface Guesses {
  /** These are about to be completed. @returns whether anything was said to any of them before */
  begin(waiting: readonly Waiting[], settings: GenerationSettings): boolean;
  /** A guess for each row, of `most(row)` tokens at most, after the tokens that it has. */
  guess(rows: readonly Row[], most: (row: Row) => number): readonly Guess[];
  /** Of a guess's first `tried` tokens the first `right` came; the one after them, if it was tried, did not. */
  learn(guess: Guess, tried: number, right: number): void;
  /** They are complete, or were given up. */
  end(): void;
}
