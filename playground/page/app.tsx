import { render } from "preact";
import type { Command, News, Side } from "../messages.ts";
import { StepApart } from "./apart.tsx";
import { Controls } from "./controls.tsx";
import { SideBySide } from "./side-by-side.tsx";
import { freshState, hear, type State, stepOf } from "./store.ts";

/** The page: what it knows, and the thread that trains. */
export class App {
  readonly state: State = freshState();
  private readonly trainer: Worker;
  private isDue = false;

  constructor(private readonly place: HTMLElement) {
    this.trainer = new Worker(new URL("trainer.js", import.meta.url), { type: "module" });
    this.trainer.onmessage = ({ data }: MessageEvent<News>) => this.hear(data);
    this.trainer.onerror = ({ message }) =>
      this.hear({ is: "failed", message: message || "the thread failed", isFatal: true });
    this.show();
  }

  hear(news: News): void {
    hear(this.state, news);
    this.show();
    if (news.is === "exported") save("model.safetensors", news.bytes);
    // a step that is over and followed by none can be looked at
    const isStill = !this.state.running && (news.is === "step" || news.is === "running");
    if (isStill && stepOf(this.state) > 0)
      this.takeApart(this.state.looked.side, this.state.looked.group);
  }

  change(changes: Partial<State>): void {
    Object.assign(this.state, changes);
    this.show();
  }

  ask(command: Command): void {
    this.trainer.postMessage(command);
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
    this.ask({ do: "takeApart", side, group });
  }

  restart(): void {
    this.ask({ do: "begin", setup: this.state.setup });
  }

  private begin(): void {
    if (!this.state.begun) this.restart();
  }

  /** Draws the page anew with the next frame, however much is heard until then. */
  private show(): void {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      render(<Page app={this} />, this.place);
    });
  }
}

/** Has the browser save a file. */
function save(name: string, bytes: Uint8Array<ArrayBuffer>): void {
  const url = URL.createObjectURL(new Blob([bytes]));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function Page({ app }: { app: App }) {
  const { state } = app;
  return (
    <main>
      <header>
        <p class="kicker">rlexplore playground</p>
        <h1>See what reinforcement learning does to a language model</h1>
        <p class="summary">
          A small model that does sums is trained here, in your browser, twice at once: by plain
          GRPO, and by GRPO that also pays for rare answers.
        </p>
        {state.adapter && <p class="note">computing on {state.adapter.name}</p>}
      </header>
      {state.problem && (
        <p class="problem" role="alert">
          {state.problem.message}
          {!("gpu" in navigator) &&
            " WebGPU is in Chrome and Edge 113, Safari 26 and Firefox 141 and newer, on pages of https or of this machine."}
        </p>
      )}
      <Controls app={app} />
      {state.begun && <SideBySide app={app} />}
      {state.begun && <StepApart app={app} />}
    </main>
  );
}
