import { encodeSafetensors, tensorSources } from "../../beyond/models/safetensors.ts";
import type { SystemGpu } from "../../beyond/platform/gpu.ts";
import { UserError } from "../../lib/errors.ts";
import { type Command, type News, type Setup, SIDES, type Side } from "../messages.ts";
import { takeApart } from "./apart.ts";
import { measureHeldOut } from "./held-out.ts";
import type { EmbeddedModel } from "./model.ts";
import { explorationOf, settingsOf } from "./settings.ts";
import { answersOf, Trainee } from "./trainee.ts";
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
    // what keeps training from beginning was told
    if (!this.setup && command.do !== "begin") return;
    switch (command.do) {
      case "begin":
        return this.begin(command.setup);
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
    const done = this.turn.then(work).catch((error) => this.fail(error));
    this.turn = done;
    return done;
  }

  private setRunning(running: boolean): void {
    this.running = running;
    this.tell({ is: "running", running });
  }

  private fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (this.running) this.setRunning(false);
    const isFatal = !(error instanceof UserError || error instanceof RangeError);
    this.tell({ is: "failed", message, isFatal });
  }

  /** Both sides anew, from the model as it is in its file. */
  private async begin(setup: Setup): Promise<void> {
    this.setRunning(false);
    // what is wrong with a method is found before anything is forgotten
    for (const method of setup.methods) explorationOf(method);
    const questions = this.model.questions.slice(0, setup.questions);
    const trainees: Trainee[] = [];
    for (const side of SIDES) {
      const policy = await this.freshPolicy(side, setup);
      trainees.push(new Trainee(policy, setup, setup.methods[side], questions));
    }
    this.trainees = trainees;
    this.setup = setup;
    this.tell({ is: "begun", setup });
    if (setup.evalSteps > 0) await this.evaluate(0, "base");
  }

  private async freshPolicy(side: Side, setup: Setup): Promise<LearningPolicy> {
    const { workshop, policies } = this;
    policies[side] ??= workshop.learner(settingsOf(setup));
    await workshop.reset(policies[side]);
    return policies[side];
  }

  /** A step of both sides, and an evaluation where one is due. */
  private async round(): Promise<void> {
    if (!this.setup) throw new UserError("training has not begun");
    for (const side of SIDES) {
      const trainee = this.trainees[side];
      const report = await trainee.step();
      const { step } = report;
      const figures = trainee.figures(report);
      this.tell({ is: "step", side, step, figures, groups: answersOf(report) });
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
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    const sources = tensorSources(this.workshop.gpu, policy.weights);
    for await (const piece of encodeSafetensors(sources)) pieces.push(piece.slice());
    const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
    this.tell({ is: "exported", side, step: state.step, bytes });
  }
}
