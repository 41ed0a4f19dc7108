/** Calls of the user's functions: in time, or else a failure that is told with its place and its row. */
import type { Completed, Row } from "../../lib/data/judge.ts";
import { describeError, OwnCodeError } from "./mistakes.ts";

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

/** The calls of the functions of one file. */
export class OwnCalls {
  private calls = 0;
  private failures = 0;

  constructor(private readonly settings: CallSettings) {}

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
    this.calls++;
    try {
      return check(await within(timeout, call()));
    } catch (error) {
      this.failures++;
      const message = `${flag} ${path} failed on row ${row.line}: ${describeError(error, path)}`;
      if (this.failures > TOO_MANY && this.failures > this.calls / 10) {
        const share = `${this.failures} of ${this.calls} calls failed`;
        throw new OwnCodeError(`${message} (${share}; the run ends here)`);
      }
      if (this.failures <= SHOWN) {
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

/** What is promised, unless it takes too long. Code that never awaits cannot be interrupted. */
function within<T>(seconds: number, promised: T | Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    const error = `no result within ${seconds} s (--outcome-timeout)`;
    timer = setTimeout(() => reject(error), 1000 * seconds);
  });
  return Promise.race([promised, late]).finally(() => clearTimeout(timer));
}
