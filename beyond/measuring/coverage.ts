/**
 * Training as sampling (Figure 2 of arXiv 2509.06941): a run is also a long series of samples. How many
 * questions did it solve at least once, and how many different answers did it see, by the time it had drawn s samples of each
 * question; and how many would the base model, given the same samples?
 */
import type { Outcome } from "../../lib/explore/counter.ts";
import type { Ratio } from "./figures.ts";

/** One sample of a question, in the order in which they were drawn. */
export interface Draw {
  question: string;
  outcome: Outcome;
  correct: boolean;
}

/** What the samples of one question brought, as places 1, 2, ... among them. */
export interface QuestionHistory {
  question: string;
  samples: number;
  /** Where the first right answer came; null if none did. */
  solvedAt: number | null;
  /** Where each new answer came, ascending. No answer (`null`) is not one. */
  newAt: number[];
}

/** Sorts draws by question, in order of first appearance. */
export function historiesOf(draws: Iterable<Draw>): QuestionHistory[] {
  const seen = new Map<string, { history: QuestionHistory; answers: Set<Outcome> }>();
  for (const { question, outcome, correct } of draws) {
    let entry = seen.get(question);
    if (!entry) {
      const history = { question, samples: 0, solvedAt: null, newAt: [] };
      entry = { history, answers: new Set([null]) };
      seen.set(question, entry);
    }
    const { history, answers } = entry;
    history.samples++;
    if (correct) history.solvedAt ??= history.samples;
    if (!answers.has(outcome)) {
      answers.add(outcome);
      history.newAt.push(history.samples);
    }
  }
  return Array.from(seen.values(), ({ history }) => history);
}

/** Whether the question was still unsolved after `samples` samples. */
export const unsolvedAfter = ({ solvedAt }: QuestionHistory, samples: number): boolean =>
  solvedAt === null || solvedAt > samples;

/** Different answers among the first `samples` samples. */
const distinctAfter = ({ newAt }: QuestionHistory, samples: number): number =>
  newAt.filter((at) => at <= samples).length;

/**
 * After the first `samples` samples of each question: the share solved at least once, and the mean number of distinct answers,
 * over all questions and over those still unsolved. Questions with fewer samples are left out.
 *
 * @param among of the unsolved ones, only these count: those that another model has not solved either, say
 */
export function coverageAfter(
  histories: readonly QuestionHistory[],
  samples: number,
  among: (question: string) => boolean = () => true,
): { solved: Ratio; distinct: Ratio; distinctUnsolved: Ratio } {
  const reached = histories.map((history) => (history.samples >= samples ? 1 : 0));
  const distinct = histories.map((history, i) => reached[i] * distinctAfter(history, samples));
  const unsolved = histories.map((history, i) =>
    unsolvedAfter(history, samples) && among(history.question) ? reached[i] : 0,
  );
  const solved = histories.map((history, i) => (unsolvedAfter(history, samples) ? 0 : reached[i]));
  return {
    solved: { of: solved, per: reached },
    distinct: { of: distinct, per: reached },
    distinctUnsolved: { of: distinct.map((d, i) => d * unsolved[i]), per: unsolved },
  };
}
