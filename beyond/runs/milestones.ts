import type { Evaluation } from "../measuring/evaluation.ts";
import { checkpointPath } from "./checkpoint.ts";

export interface MilestoneSettings {
  maxSteps: number;
  /** Steps between evaluations; 0 for none on the way. */
  evalSteps: number;
  /** Steps between checkpoints. */
  saveSteps: number;
  /** Whether a model better than any before is saved, and its checkpoint kept. */
  saveBest: boolean;
}

/** What is known of the evaluations so far. */
export interface Evaluations {
  /** Of the model the run started from. */
  before: Evaluation | null;
  /** The best pass@1 on the held-out questions, and its step. */
  best: { step: number; passAt1: number } | null;
}

/** What happens at a milestone. */
export interface Deeds {
  /** Evaluates the model of this step; `name` is for the display. */
  evaluate(step: number, name: string): Promise<Evaluation>;
  /** Writes the checkpoint of this step. */
  save(step: number): Promise<void>;
  /** Deletes old checkpoints, but none of those in `keep`. */
  prune(keep: readonly number[]): void;
}

/** When a run evaluates its model and when it saves it. */
export class Milestones {
  /**
   * @param folder of the run
   * @param saved the step of the last checkpoint, 0 if there is none
   */
  constructor(
    private readonly folder: string,
    private readonly settings: MilestoneSettings,
    private readonly evaluations: Evaluations,
    private readonly deeds: Deeds,
    private saved: number,
  ) {}

  /** The model the run starts from, evaluated once. */
  async base(step: number): Promise<void> {
    this.evaluations.before ??= await this.deeds.evaluate(step, "the base model");
  }

  /** What falls on this step; the last step's is left to `last`. */
  async reached(step: number): Promise<void> {
    const { maxSteps, evalSteps, saveSteps, saveBest } = this.settings;
    if (step === maxSteps) return;
    const isBest =
      evalSteps > 0 &&
      step % evalSteps === 0 &&
      this.noteBest(step, await this.deeds.evaluate(step, `step ${step}`));
    if (step % saveSteps === 0 || (isBest && saveBest)) await this.save(step);
  }

  /** The model that training ended with. */
  async last(step: number): Promise<Evaluation> {
    const after = await this.deeds.evaluate(step, "the trained model");
    this.noteBest(step, after);
    return after;
  }

  /** Saves this step, unless it has a checkpoint; gives the checkpoint's path. */
  async save(step: number): Promise<string> {
    const path = checkpointPath(this.folder, step);
    if (this.saved === step) return path;
    await this.deeds.save(step);
    this.saved = step;
    const { best } = this.evaluations;
    this.deeds.prune(this.settings.saveBest && best ? [best.step] : []);
    return path;
  }

  /** What is left of a run that fails now. */
  get kept(): string {
    return this.saved > 0 ? `checkpoint-${this.saved} is untouched` : "nothing was saved yet";
  }

  /** Remembers the best pass@1 so far; true if this is it. */
  private noteBest(step: number, { figures }: Evaluation): boolean {
    const passAt1 = figures["pass@1"] ?? 0;
    const { best } = this.evaluations;
    if (best && best.passAt1 >= passAt1) return false;
    this.evaluations.best = { step, passAt1 };
    return true;
  }
}
