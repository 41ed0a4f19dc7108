import { tensorSources } from "../../beyond/models/safetensors.ts";
import type { SystemGpu } from "../../beyond/platform/gpu.ts";
import { UserError } from "../../lib/errors.ts";
import type { Exploration } from "../../lib/explore/bonus.ts";
import type { SamplingPolicy } from "../../lib/policy.ts";
import type { TrainingState } from "../../lib/train.ts";
import {
  type Answered,
  type Command,
  type KeptTraining,
  type News,
  type Setup,
  SIDES,
  type Side,
} from "../messages.ts";
import { takeApart } from "./apart.ts";
import { askOne, typedQuestion } from "./ask.ts";
import { measureHeldOut } from "./held-out.ts";
import { bringBack, bytesOf, kept } from "./keep.ts";
import type { EmbeddedModel } from "./model.ts";
import type { Watch } from "./own-method.ts";
import { explorationOf, settingsOf } from "./settings.ts";
import { answersIn, Trainee } from "./trainee.ts";
import { type LearningPolicy, Workshop } from "./workshop.ts";

/**
 * Trains two models side by side, step by step, and does what else the page asks for in between. The GPU does one
 * thing at a time: whatever is asked waits for its turn.
 */
export class Session {
  private readonly workshop: Workshop;
  private readonly policies: LearningPolicy[] = [];
  private trainees: Trainee[] = [];
  private setup: Setup | null = null;
  /** The model as it is in its file, once it is asked. */
  private base: SamplingPolicy | null = null;
  private running = false;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    gpu: SystemGpu,
    private readonly model: EmbeddedModel,
    private readonly tell: (news: News) => void,
  ) {
    this.workshop = new Workshop(gpu, model);
  }

  /** Does what is asked; what goes wrong is told. */
  async do(command: Command): Promise<void> {
    if (command.do === "pause") return this.setRunning(false);
    if (command.do === "run" && this.running) return;
    await this.inTurn(() => this.carryOut(command));
  }

  private async carryOut(command: Command): Promise<void> {
    switch (command.do) {
      case "begin":
        return this.begin(command.setup);
      case "goOnWith":
        return this.goOnWith(command.training);
      case "ask":
        return this.ask(command.question, command.seed);
    }
    // what keeps training from beginning was told
    if (!this.setup) return;
    switch (command.do) {
      case "run":
        this.setRunning(true);
        void this.goOn();
        return;
      case "step":
        return this.round();
      case "takeApart":
        return this.takeApart(command.side, command.group);
      case "export":
        return this.export(command.side);
      case "keep":
        return this.keep(this.setup);
    }
  }

  /** Another round whenever nothing else waits, until it is paused. */
  private async goOn(): Promise<void> {
    while (this.running) {
      await this.inTurn(async () => {
        if (this.running) await this.round();
      });
    }
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.turn.then(work).catch(async (error) => this.fail(await this.causeOf(error)));
    this.turn = done;
    return done;
  }

  private setRunning(running: boolean): void {
    this.running = running;
    this.tell({ is: "running", running });
  }

  /** A device that is lost says so a little later than what it was doing fails. */
  private async causeOf(error: unknown): Promise<unknown> {
    const { gpu } = this.workshop;
    await Promise.race([gpu.device.lost, new Promise((done) => setTimeout(done, 50))]);
    try {
      gpu.check();
      return error;
    } catch (cause) {
      return cause;
    }
  }

  private fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (this.running) this.setRunning(false);
    const isFatal = !(error instanceof UserError || error instanceof RangeError);
    this.tell({ is: "failed", message, isFatal });
  }

  /** Both sides anew, from the model as it is in its file. */
  private async begin(setup: Setup): Promise<void> {
    await this.enter(setup, async (side, exploration) => {
      const policy = this.learner(side, setup);
      await this.workshop.reset(policy);
      return this.trainee(policy, setup, exploration);
    });
    if (setup.evalSteps > 0) await this.evaluate(0, "base");
  }

  /** Both sides as they were kept. */
  private async goOnWith({ setup, sides }: KeptTraining): Promise<void> {
    await this.enter(setup, async (side, exploration) => {
      const policy = this.learner(side, setup);
      const state = await bringBack(this.workshop, policy, sides[side]);
      return this.trainee(policy, setup, exploration, state);
    });
  }

  private async enter(
    setup: Setup,
    open: (side: Side, exploration: Exploration) => Promise<Trainee>,
  ): Promise<void> {
    this.setRunning(false);
    const watch: Watch = (running) => this.tell({ is: "ownCode", running });
    // what is wrong with a method is found before anything is forgotten
    const [left, right] = setup.methods.map((method) => explorationOf(method, watch));
    this.setup = null;
    this.trainees = [await open(0, left), await open(1, right)];
    this.setup = setup;
    this.tell({ is: "begun", setup });
  }

  private learner(side: Side, setup: Setup): LearningPolicy {
    this.policies[side] ??= this.workshop.learner(settingsOf(setup));
    return this.policies[side];
  }

  private trainee(
    policy: LearningPolicy,
    setup: Setup,
    exploration: Exploration,
    state?: TrainingState,
  ) {
    const questions = this.model.questions.slice(0, setup.questions);
    return new Trainee(policy, setup, exploration, questions, state);
  }

  private async keep(setup: Setup): Promise<void> {
    const [left, right] = this.trainees;
    const sides = [await kept(this.workshop, left), await kept(this.workshop, right)] as const;
    this.tell({ is: "kept", training: { setup, sides } });
  }

  /** Has the base model, and both sides once they train, answer a question of the visitor's. */
  private async ask(text: string, seed: number): Promise<void> {
    const question = typedQuestion(this.model, text);
    this.tell({ is: "activity", text: `asking ${question.text}` });
    this.base ??= await this.workshop.asker();
    const answers = await askOne(this.base, question, seed);
    const answered: Answered[] = [{ of: "base", step: 0, answers }];
    for (const side of this.setup ? SIDES : []) {
      const { policy, state } = this.trainees[side];
      answered.push({ of: side, step: state.step, answers: await askOne(policy, question, seed) });
    }
    this.tell({ is: "asked", gold: question.gold, answered });
  }

  /** A step of both sides, and an evaluation where one is due. */
  private async round(): Promise<void> {
    if (!this.setup) throw new UserError("training has not begun");
    const done = Math.min(...this.trainees.map(({ state }) => state.step));
    for (const side of SIDES) {
      const trainee = this.trainees[side];
      // where the other side failed, it is ahead
      if (trainee.state.step > done) continue;
      const report = await trainee.step();
      const { step } = report;
      const figures = trainee.figures(report);
      this.tell({ is: "step", side, step, figures, groups: report.groups.map(answersIn) });
    }
    const { evalSteps } = this.setup;
    if (evalSteps === 0 || this.trainees[0].state.step % evalSteps !== 0) return;
    for (const side of SIDES) await this.evaluate(side, side);
  }

  private async evaluate(side: Side, as: Side | "base"): Promise<void> {
    const { policy, settings, state } = this.trainees[side];
    this.tell({ is: "activity", text: "asking the held-out questions" });
    const held = await measureHeldOut(policy, this.model.heldOut, settings);
    this.tell({ is: "held", side: as, step: state.step, held });
  }

  private async takeApart(side: Side, group: number): Promise<void> {
    const trainee = this.trainees[side];
    if (!trainee?.last) return;
    this.tell({ is: "apart", apart: { side, ...(await takeApart(trainee, trainee.last, group)) } });
  }

  /** The weights of a side, as `model.safetensors` of a checkpoint has them. */
  private async export(side: Side): Promise<void> {
    const { policy, state } = this.trainees[side];
    const bytes = await bytesOf(tensorSources(this.workshop.gpu, policy.weights));
    this.tell({ is: "exported", side, step: state.step, bytes });
  }
}
