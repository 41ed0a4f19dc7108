/** Calls of the user's functions: in time, or else a failure that is told with its place and its row. */
import type { Completed, Row } from "../../lib/data/judge.ts";
import { describeError, OwnCodeError } from "./mistakes.ts";
import { asOwn } from "./printing.ts";
import { within } from "./within.ts";

/** A row as it stands in the data. */
export type GivenRow = Record<string, unknown> & { question: string; answer: string };

/** What own code is told beside the completion and its row. */
export interface About {
  /** Whether the completion was cut off before its end token. */
  truncated: boolean;
  /** The completion's tokens, the end token included. */
  tokens: number;
  /** The step of training, from 1 to `maxSteps`; null where the model is only measured. */
  step: number | null;
  maxSteps: number | null;
  /** How much of the run is over: 0 in its first step, 1 after its last and where the model is only measured. */
  share: number;
}

/** Failures that are shown, and failures after which a run ends if they are a tenth of all calls. */
const SHOWN = 5;
const TOO_MANY = 20;

interface CallSettings {
  /** The flag that names the file. */
  flag: string;
  path: string;
  /** Seconds that a call may take. */
  timeout: number;
  /** Of the run; null where there is none. */
  maxSteps: number | null;
  /** What becomes of a completion whose call fails, for messages. */
  failure: string;
}

/** How many calls there were, and how many of them failed. */
export interface Tally {
  calls: number;
  failures: number;
}

/** The calls of the functions of one file. */
export class OwnCalls {
  /** @param tally counts them */
  constructor(
    private readonly settings: CallSettings,
    private readonly tally: Tally = { calls: 0, failures: 0 },
  ) {}

  /** What a function is told of a completion. */
  about({ truncated, tokens = 0 }: Completed, step: number | undefined): About {
    const { maxSteps } = this.settings;
    if (step === undefined || maxSteps === null) {
      return { truncated, tokens, step: null, maxSteps, share: 1 };
    }
    return { truncated, tokens, step, maxSteps, share: (step - 1) / maxSteps };
  }

  /**
   * What `call` gives for the completion of a row; null if it throws, takes too long, or gives what `check` refuses.
   * @throws OwnCodeError when a tenth of the calls, and more than twenty, have failed
   */
  async attempt<T>(row: Row, call: () => unknown, check: (given: unknown) => T): Promise<T | null> {
    const { flag, path, timeout, failure } = this.settings;
    const { tally } = this;
    tally.calls++;
    try {
      return check(await within(timeout, asOwn(call), "result", "--outcome-timeout"));
    } catch (error) {
      tally.failures++;
      const message = `${flag} ${path} failed on row ${row.line}: ${describeError(error, path)}`;
      if (tally.failures > TOO_MANY && tally.failures > tally.calls / 10) {
        const share = `${tally.failures} of ${tally.calls} calls failed`;
        throw new OwnCodeError(`${message} (${share}; the run ends here)`);
      }
      if (tally.failures <= SHOWN) {
        console.error(`rlexplore: ${message}; ${failure}`);
      }
      return null;
    }
  }
}

/** The row as it stands in the data. */
export const givenRow = (row: Row): GivenRow => ({
  ...row.fields,
  question: row.question,
  answer: row.answer,
});
