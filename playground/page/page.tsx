import { render } from "preact";
import { StepApart } from "./apart.tsx";
import { App } from "./app.ts";
import { Ask } from "./ask.tsx";
import { Controls } from "./controls.tsx";
import { KeptRuns } from "./kept.tsx";
import { MapOf } from "./map.tsx";
import { namesOf } from "./methods.ts";
import { OpenFiles } from "./opened.tsx";
import { SideBySide } from "./side-by-side.tsx";
import { loadSources } from "./sources.tsx";

function Page({ app }: { app: App }) {
  const { state } = app;
  const names = namesOf(state.begun ?? state.setup);
  return (
    <main>
      <header>
        <p class="kicker">rlexplore playground</p>
        <h1>See what reinforcement learning does to a language model</h1>
        <p class="summary">
          A small model that does sums is trained here, in your browser, twice at once: by plain
          GRPO, and by GRPO that is also paid to explore.
        </p>
        {state.adapter && (
          <p class="note">
            computing on {state.adapter.name}
            {state.adapter.isSoftware && ", which is no GPU: a step takes much longer than on one"}
          </p>
        )}
      </header>
      <Told app={app} />
      {!state.isRecorded && <Controls app={app} />}
      {state.begun && (
        <>
          <SideBySide id="live" shown={state} names={names} />
          <StepApart app={app} />
          <MapOf id="map" sides={state.sides} names={names} questions={state.questions} />
        </>
      )}
      <Ask app={app} names={names} />
      <KeptRuns app={app} />
      <OpenFiles app={app} />
    </main>
  );
}

/** What went wrong and what is good to know, wherever on the page one is. */
function Told({ app }: { app: App }) {
  const { problem, note } = app.state;
  return (
    <div class={problem?.isFatal ? "" : "told"}>
      {problem && (
        <p class="problem" role="alert">
          <span>{problem.message}</span>
          {!problem.isFatal && <Close close={() => app.change({ problem: null })} />}
        </p>
      )}
      {note && (
        <p class="problem" role="status">
          <span>{note}</span>
          <Close close={() => app.change({ note: "" })} />
        </p>
      )}
    </div>
  );
}

const Close = ({ close }: { close: () => void }) => (
  <button type="button" class="link" onClick={close}>
    Close
  </button>
);

const app: App = new App(() => render(<Page app={app} />, document.body));
void loadSources();
// from the second time on the page opens without a network
void navigator.serviceWorker?.register("offline.js").catch(() => {});
Object.assign(globalThis, { app }); // for those who look behind the page
