import { isOwnFile } from "../own/file.ts";
import { command } from "../terminal/program.ts";

/** What is asked of most often: a run whose reward stays where it is, because there is nothing to learn from. */

/** Of a step's metrics, what tells. Shares are of completions or groups. */
interface Signs {
  truncated: number;
  noAnswer: number;
  /** Completions that own code leaves out. */
  leftOut: number;
  /** Groups in which all completions earn the same. */
  equalRewards: number;
  passAt1: number;
  gradNorm: number;
}

interface Hints {
  maxCompletionLength: number;
  outcome: string;
}

/** Steps in a row after which it is said. */
const PATIENCE = 2;

/** What the form of answers is, that a model may be asked for. */
const formOf = (outcome: string) =>
  isOwnFile(outcome)
    ? "look at some with --log-completions, and ask in --prompt-template for what your code reads"
    : "ask for \\boxed{} in --prompt-template, try --outcome math:last-number";

/** Causes, the most telling first: of those that hold in a step the first one counts. */
const CAUSES: readonly [holds: (signs: Signs) => boolean, say: (hints: Hints) => string][] = [
  [
    ({ leftOut }) => leftOut === 1,
    () => "your own code leaves out every completion (null): let it pay some of them",
  ],
  [
    // own code may find answers in what was cut off
    ({ truncated, noAnswer }) => truncated === 1 && noAnswer === 1,
    ({ maxCompletionLength }) =>
      `every completion is cut off, and so has no answer: raise --max-completion-length ${maxCompletionLength}, or check with ${command`sample`} that the model ends what it says`,
  ],
  [
    ({ noAnswer }) => noAnswer === 1,
    ({ outcome }) =>
      `no completion has an answer that --outcome ${outcome} finds: ${formOf(outcome)}, or teach the form first with ${command`sft`}`,
  ],
  [
    ({ equalRewards, passAt1 }) => equalRewards === 1 && passAt1 === 1,
    () => "every answer is right, so that all earn the same: use harder questions",
  ],
  [
    ({ equalRewards, passAt1 }) => equalRewards === 1 && passAt1 === 0,
    () =>
      `no answer is right, so that all earn the same: use easier questions, raise --num-generations, or teach first with ${command`sft`}`,
  ],
  [
    ({ equalRewards }) => equalRewards === 1,
    () =>
      "in every group all completions earn the same, so that none is preferred: raise --num-generations or --temperature, or let --reward tell them apart",
  ],
  [
    ({ gradNorm }) => gradNorm === 0,
    () =>
      "the gradient is zero: leave out --mask-truncated-completions, or give --explore and --reward something to tell completions apart by",
  ],
];

/**
 * Why the last steps taught nothing, by what they have in common: -1 if they did, or are too few to tell. Their means
 * say 0 or 1 only where each of them does.
 */
function causeOf(steps: readonly Signs[]): number {
  const last = steps.slice(-PATIENCE);
  if (last.length < PATIENCE) return -1;
  const mean = (name: keyof Signs) =>
    last.reduce((sum, signs) => sum + signs[name], 0) / last.length;
  const signs: Signs = {
    truncated: mean("truncated"),
    noAnswer: mean("noAnswer"),
    leftOut: mean("leftOut"),
    equalRewards: mean("equalRewards"),
    passAt1: mean("passAt1"),
    gradNorm: mean("gradNorm"),
  };
  return CAUSES.findIndex(([holds]) => holds(signs));
}

/** Why the last of these steps taught nothing; null if they did, or do not tell. */
export function whyNothing(steps: readonly object[], hints: object): string | null {
  const cause = causeOf(steps as Signs[]);
  return cause < 0 ? null : CAUSES[cause][1](hints as Hints);
}

/** Watches a run, and says once why it learns nothing, and again at its end if it is still so. */
export class LearningNothing {
  private recent: Signs[] = [];
  private readonly told = new Set<number>();

  constructor(
    private readonly hints: Hints,
    private readonly note: (text: string) => void,
  ) {}

  step(signs: Signs): void {
    this.recent = [...this.recent, signs].slice(-PATIENCE);
    const cause = causeOf(this.recent);
    if (cause < 0 || this.told.has(cause)) return;
    this.told.add(cause);
    this.note(`warning: ${CAUSES[cause][1](this.hints)}`);
  }

  /** What is to be said at the end; null for a run that has learned. */
  get atEnd(): string | null {
    const why = whyNothing(this.recent, this.hints);
    return why && `warning: to the end ${why}`;
  }
}
