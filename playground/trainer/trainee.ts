import { describeStep } from "../../beyond/runs/metrics.ts";
import type { Question } from "../../lib/data/questions.ts";
import { grpo } from "../../lib/explore/advantages/grpo.ts";
import type { Exploration } from "../../lib/explore/bonus.ts";
import { OutcomeCounter } from "../../lib/explore/counter.ts";
import { PolicyGradient } from "../../lib/learn.ts";
import type { Group } from "../../lib/rollout.ts";
import { type StepReport, type Training, type TrainingState, train } from "../../lib/train.ts";
import type { Answers, Setup, StepFigures } from "../messages.ts";
import { REWARD, settingsOf } from "./settings.ts";
import type { LearningPolicy } from "./workshop.ts";

export const freshState = (): TrainingState => ({
  step: 0,
  drawn: 0,
  updates: 0,
  counter: new OutcomeCounter(),
  solved: new Set(),
});

/** One side: a model and the method that trains it, a step at a time. */
export class Trainee {
  readonly settings: ReturnType<typeof settingsOf>;
  /** What happened last. */
  last: StepReport | null = null;
  private readonly training: Training;

  constructor(
    readonly policy: LearningPolicy,
    setup: Setup,
    readonly exploration: Exploration,
    private readonly questions: readonly Question[],
    readonly state = freshState(),
  ) {
    const settings = settingsOf(setup);
    this.settings = settings;
    this.training = {
      policy,
      learner: new PolicyGradient(policy, settings.microBatchTokens, settings),
      settings,
      advantage: { method: grpo, parameters: {} },
      exploration,
      rewards: REWARD,
      questions: { count: questions.length, at: (place) => questions[place] },
      state,
    };
  }

  /** The next step of `rlexplore train` with these settings. */
  async step(): Promise<StepReport> {
    const { training, state } = this;
    const settings = { ...training.settings, maxSteps: state.step + 1 };
    const keep = (report: StepReport) => {
      this.last = report;
    };
    await train({ ...training, settings }, { activity: () => {}, step: keep });
    return this.last as StepReport;
  }

  /** The figures of a step. */
  figures(report: StepReport): StepFigures {
    const solved = this.state.solved.size / this.questions.length;
    const { reward, ...figures } = describeStep(report, solved, false);
    // nothing is left out here
    return { reward: reward ?? 0, ...figures };
  }
}

/** A group as the page remembers it. */
export const answersIn = ({ question, completions }: Group): Answers => ({
  question: question.text,
  texts: completions.map(({ text }) => text),
  outcomes: completions.map(({ outcome }) => outcome),
  correct: completions.map(({ correct }) => correct),
});
