/** Runs and reports of the executable, opened from files. */
import type { App } from "./app.ts";
import { chosenFiles } from "./files.ts";
import { MapOf } from "./map.tsx";
import { Charts } from "./side-by-side.tsx";

/** The place for files, which may also be dropped anywhere on the page. */
export function OpenFiles({ app }: { app: App }) {
  const chosen = (input: HTMLInputElement) => {
    if (input.files) void app.openFiles(chosenFiles(input.files));
    input.value = "";
  };
  return (
    <section aria-labelledby="files">
      <h2 id="files">A run from elsewhere</h2>
      <p>
        Drop the folder of a run of the executable onto this page, or a report, and it is shown
        here. Nothing leaves your machine.
      </p>
      <div class="buttons">
        <label class="typed">
          <span>A folder</span>
          <input
            type="file"
            {...{ webkitdirectory: true }}
            onChange={({ currentTarget }) => chosen(currentTarget)}
          />
        </label>
        <label class="typed">
          <span>Files</span>
          <input
            type="file"
            multiple
            accept=".html,.jsonl,.json,.sqlite"
            onChange={({ currentTarget }) => chosen(currentTarget)}
          />
        </label>
      </div>
      <Opened app={app} />
    </section>
  );
}

function Opened({ app }: { app: App }) {
  const { opened } = app.state;
  if (!opened) return null;
  const close = (
    <button type="button" onClick={() => app.change({ opened: null })}>
      Close
    </button>
  );
  if ("report" in opened) {
    return (
      <>
        <div class="choose">
          <strong>{opened.name}</strong>
          {close}
        </div>
        {/* in a place of its own, from where it reaches neither this page nor the network */}
        <iframe title={opened.name} sandbox="allow-scripts" srcdoc={opened.report} />
      </>
    );
  }
  const { runs } = opened;
  const names = runs.map(({ name }) => name);
  const sides = runs.map(({ side }) => side);
  return (
    <>
      <div class="choose">
        <strong>{names.join(", ")}</strong>
        {close}
      </div>
      {runs.map(({ name, notes }) => (
        <p class="note" key={name}>
          {name}: {notes.join(" ")}
        </p>
      ))}
      <Charts id="opened" shown={{ base: null, sides }} names={names} />
      <MapOf id="opened-map" sides={sides} names={names} questions={[]} />
    </>
  );
}
