import type { Command, News, Side } from "../messages.ts";
import type { GivenFile } from "../opener/runs.ts";
import { droppedFiles, readFiles } from "./files.ts";
import { holdRun, isAlone } from "./locks.ts";
import { deleteRun, keepRun, listRuns, openRun } from "./runs.ts";
import { freshState, hear, type Moment, type State, stepOf } from "./store.ts";

/** A run is kept whenever this many steps are done, and whenever it stands still. */
const KEEP_EVERY = 10;

/** How long the visitor's code may take for a group, in milliseconds. */
const PATIENCE = 5000;

/** Before a report: whatever is in it, it asks nothing of the network. */
const OFFLINE = `<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src 'unsafe-inline' data:">`;

/** The page: what it knows, and the thread that trains. */
export class App {
  readonly state: State = freshState();
  private trainer: Worker | null = null;
  /** What was heard of a recorded run, where there is no GPU. */
  private recorded: News[] = [];
  private isDue = false;
  /** What is about to be gone on with. */
  private coming: Moment | null = null;
  /** What to do once the GPU is open again, where it was lost. */
  private comeBack: (() => void) | null = null;
  /** Lets another tab have the run. */
  private release = () => {};
  /** What was said last of a run that could not be kept. */
  private unkept = "";
  /** The run that is about to begin. */
  private next: string | null = null;
  /** Ends the thread, unless the visitor's code ends before. */
  private patience: ReturnType<typeof setTimeout> | undefined;
  /** The step at which the tab was left. */
  private leftAt = 0;

  /** @param draw draws the page anew */
  constructor(private readonly draw: () => void) {
    if ("gpu" in navigator) this.trainer = this.startTrainer();
    else void this.showRecorded("This browser has no WebGPU, or the page is not of https.");
    this.show();
    void this.listRuns();
    void isAlone().then((alone) => {
      if (!alone) {
        const note =
          "The playground is open in another tab as well: both share the GPU, each with runs of its own.";
        this.change({ note });
      }
    });
    document.addEventListener("visibilitychange", () => this.hidden(document.hidden));
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", async (event) => {
      event.preventDefault();
      const { dataTransfer } = event;
      if (dataTransfer) void this.openFiles(await droppedFiles(dataTransfer.items));
    });
  }

  hear(news: News): void {
    const { state } = this;
    if (news.is === "ownCode") {
      this.watch(news.running);
      return;
    }
    if (news.is === "failed" && news.isFatal) {
      if (state.adapter) this.openAgain(news.message);
      else void this.showRecorded(`No GPU could be opened: ${news.message}.`);
      return;
    }
    hear(state, news);
    if (news.is === "opened") {
      this.comeBack?.();
      this.comeBack = null;
    }
    if (news.is === "begun" && this.next) this.enter(this.next);
    if (news.is === "begun" || news.is === "failed") this.next = null;
    if (news.is === "begun" && this.coming) {
      Object.assign(state, structuredClone(this.coming.shown), { moment: this.coming });
      this.coming = null;
    }
    if (news.is === "kept" && state.moment) void this.keep(state.moment);
    if (news.is === "exported") save("model.safetensors", news.bytes);
    this.show();
    const isOver = news.is === "step" && news.side === 1;
    if (isOver && state.running && news.step % KEEP_EVERY === 0) this.ask({ do: "keep" });
    // a step that is over and followed by none can be looked at
    const isStill = !state.running && (isOver || news.is === "running");
    if (!isStill || stepOf(state) === 0) return;
    this.takeApart(state.looked.side, state.looked.group);
    this.ask({ do: "keep" });
  }

  change(changes: Partial<State>): void {
    Object.assign(this.state, changes);
    this.show();
  }

  ask(command: Command): void {
    this.trainer?.postMessage(command);
  }

  run(): void {
    this.begin();
    this.ask({ do: "run" });
  }

  step(): void {
    this.begin();
    this.ask({ do: "step" });
  }

  pause(): void {
    this.ask({ do: "pause" });
  }

  /** Asks for the numbers of a group of the last step. */
  takeApart(side: Side, group: number): void {
    this.state.looked = { side, group };
    const known = this.recorded.find(
      (news) => news.is === "apart" && news.apart.side === side && news.apart.group === group,
    );
    if (known) this.hear(known);
    this.ask({ do: "takeApart", side, group });
  }

  restart(): void {
    this.next = crypto.randomUUID();
    this.ask({ do: "begin", setup: this.state.setup });
  }

  /** Goes on with a run that was kept. */
  async open(id: string): Promise<void> {
    const release = id === this.state.run ? this.release : await holdRun(id);
    if (!release) return this.complain("That run is open in another tab; go on with it there.");
    const moment = await openRun(id);
    this.enter(id, release);
    this.goBackTo(moment);
    this.change({ setup: moment.training.setup });
  }

  async forget(id: string): Promise<void> {
    const release = await holdRun(id);
    if (!release) return this.complain("That run is open in another tab; delete it there.");
    await deleteRun(id);
    release();
    await this.listRuns();
  }

  /** Shows runs of the executable, or a report of some. */
  async openFiles(files: readonly GivenFile[]): Promise<void> {
    const report = files.find(({ path }) => path.endsWith(".html"));
    if (report) {
      const { path: name, file } = report;
      return this.change({ opened: { name, report: OFFLINE + (await file.text()) } });
    }
    this.change({ activity: "reading the files" });
    const reading = await readFiles(files);
    this.change({ activity: "" });
    if ("problem" in reading) this.complain(reading.problem);
    else this.change({ opened: reading });
  }

  private begin(): void {
    if (!this.state.begun) this.restart();
  }

  /** The run that is trained is another one from here on. */
  private enter(id: string, release?: () => void): void {
    if (id === this.state.run) return;
    this.release();
    this.release = release ?? (() => {});
    this.state.run = id;
    if (release) return;
    void holdRun(id).then((held) => {
      if (!held) return;
      if (this.state.run === id) this.release = held;
      else held();
    });
  }

  private goBackTo(moment: Moment): void {
    this.coming = moment;
    this.ask({ do: "goOnWith", training: moment.training });
  }

  private async keep(moment: Moment): Promise<void> {
    if (moment.training.sides[1].step === 0) return;
    try {
      await keepRun(this.state.run, moment);
      if (this.state.problem?.message === this.unkept) this.change({ problem: null });
      await this.listRuns();
    } catch (error) {
      const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
      this.unkept = isFull
        ? "The browser has no room left for this run, which goes on without being kept: delete one below, or take the model with you."
        : `The browser did not keep this run, which goes on: ${(error as Error).message}`;
      this.complain(this.unkept);
    }
  }

  private async listRuns(): Promise<void> {
    // a browser that keeps nothing, as in a private window, trains all the same
    this.change({ runs: await listRuns().catch(() => []) });
  }

  private complain(message: string): void {
    this.change({ problem: { message, isFatal: false } });
  }

  private startTrainer(): Worker {
    const trainer = new Worker(new URL("trainer.js", import.meta.url), { type: "module" });
    trainer.onmessage = ({ data }: MessageEvent<News>) => this.hear(data);
    trainer.onerror = ({ message }) =>
      this.hear({ is: "failed", message: message || "the thread failed", isFatal: true });
    return trainer;
  }

  /** Code that never ends takes its thread with it. */
  private watch(isRunning: boolean): void {
    clearTimeout(this.patience);
    if (!isRunning) return;
    this.patience = setTimeout(
      () => this.openAgain(`your bonus did not end within ${PATIENCE / 1000} s`),
      PATIENCE,
    );
  }

  private endTrainer(): void {
    clearTimeout(this.patience);
    if (this.trainer) this.trainer.onmessage = null;
    this.trainer?.terminate();
    this.trainer = null;
  }

  /** A run that was recorded, where none can be trained. */
  private async showRecorded(why: string): Promise<void> {
    this.endTrainer();
    const { state } = this;
    this.recorded = await (await fetch(new URL("recorded.json", import.meta.url))).json();
    for (const news of this.recorded) hear(state, news);
    const name = state.adapter?.name;
    Object.assign(state, { adapter: null, activity: "" });
    this.takeApart(state.looked.side, state.looked.group);
    const message = `${why} WebGPU is in Chrome and Edge from 113, Safari from 26 and Firefox from 141 on, on pages of https or of this machine. What follows was recorded on ${name}.`;
    this.change({ isRecorded: true, problem: { message, isFatal: true } });
  }

  /** The GPU is lost, or the thread is: another one goes back to the last moment there is. */
  private openAgain(why: string): void {
    const { moment, begun } = this.state;
    this.next = null;
    this.endTrainer();
    Object.assign(this.state, { adapter: null, running: false, activity: "opening the GPU again" });
    this.comeBack = () => {
      if (moment) this.goBackTo(moment);
      else if (begun) this.ask({ do: "begin", setup: begun });
      const step = moment?.training.sides[1].step ?? 0;
      const back = `and is back at step ${step}: the steps after it will be the same again`;
      this.change({ note: `Training stopped (${why})${begun ? ` ${back}` : ""}.` });
    };
    this.trainer = this.startTrainer();
    this.show();
  }

  private hidden(isHidden: boolean): void {
    const step = stepOf(this.state);
    if (isHidden) {
      this.leftAt = step;
      // a browser may end a tab that nobody looks at
      if (step > 0) this.ask({ do: "keep" });
    } else if (step > this.leftAt && this.leftAt > 0) {
      this.change({
        note: `While this tab was hidden, training went on from step ${this.leftAt} to ${step}.`,
      });
    }
  }

  /** Draws the page anew with the next frame, however much is heard until then. */
  private show(): void {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      this.draw();
    });
  }
}

/** Has the browser save a file. */
function save(name: string, bytes: Uint8Array<ArrayBuffer>): void {
  const url = URL.createObjectURL(new Blob([bytes]));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
