/** Rollouts in the order they were sampled, a column an array. */
export interface Draws {
  readonly step: readonly number[];
  /** Index into `questions`. */
  readonly question: readonly number[];
  /** Index into `outcomes`, -1 for no answer. */
  readonly outcome: readonly number[];
  readonly correct: readonly boolean[];
  readonly questions: readonly string[];
  readonly outcomes: readonly string[];
}

/** What a run drew for one question. */
export interface QuestionDraws {
  /** Where in the log. */
  places: number[];
  /** How many of the first n were right, for every n. */
  right: number[];
  /** Different answers, as indices into `outcomes`. */
  answers: Set<number>;
}

/** A log by its questions. The log may grow meanwhile, and only what is new is read; nothing may be taken from it. */
class DrawIndex {
  private readonly known: QuestionDraws[] = [];
  private read = 0;

  constructor(private readonly draws: Draws) {}

  /** In the order of the log's `questions`. */
  questions(): readonly QuestionDraws[] {
    const { step, question, outcome, correct, questions } = this.draws;
    const { known } = this;
    while (known.length < questions.length) {
      known.push({ places: [], right: [0], answers: new Set() });
    }
    for (; this.read < step.length; this.read++) {
      const { places, right, answers } = known[question[this.read]];
      places.push(this.read);
      right.push(right[right.length - 1] + Number(correct[this.read]));
      if (outcome[this.read] >= 0) answers.add(outcome[this.read]);
    }
    return known;
  }
}

/** The index of any log, made when it is asked for the first time. */
export function drawIndexes(): (draws: Draws) => DrawIndex {
  const made = new WeakMap<Draws, DrawIndex>();
  return (draws) => {
    const index = made.get(draws) ?? new DrawIndex(draws);
    made.set(draws, index);
    return index;
  };
}
