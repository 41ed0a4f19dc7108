import { render } from "preact";
import type { Command, News } from "../messages.ts";
import { Controls } from "./controls.tsx";
import { namesOf } from "./methods.ts";
import { freshState, hear, type State } from "./store.ts";

/** The page: what it knows, and the thread that trains. */
export class App {
  readonly state: State = freshState();
  private readonly trainer: Worker;
  private isDue = false;

  constructor(private readonly place: HTMLElement) {
    this.trainer = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.trainer.onmessage = ({ data }: MessageEvent<News>) => {
      hear(this.state, data);
      this.show();
    };
    this.trainer.onerror = ({ message }) => {
      hear(this.state, { is: "failed", message: message || "the thread failed", isFatal: true });
      this.show();
    };
    this.show();
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
        </p>
      )}
      <Controls app={app} />
      {state.begun && <Figures app={app} />}
    </main>
  );
}

function Figures({ app: { state } }: { app: App }) {
  const names = namesOf(state.begun ?? state.setup);
  return (
    <section aria-label="Figures">
      <table>
        <thead>
          <tr>
            <th>last step</th>
            <th>reward</th>
            <th>distinct answers</th>
            <th>entropy</th>
            <th>questions solved</th>
          </tr>
        </thead>
        <tbody>
          {state.sides.map(({ steps }, side) => {
            const last = steps.at(-1);
            return (
              <tr key={names[side]}>
                <th>{names[side]}</th>
                <td>{last?.reward.toFixed(3)}</td>
                <td>{last?.distinct.toFixed(2)}</td>
                <td>{last?.entropy.toFixed(3)}</td>
                <td>{last && `${(100 * last.solved).toFixed(0)} %`}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
