/** The runs that the browser keeps. */
import type { App } from "./app.ts";
import { namesOf } from "./methods.ts";

export function KeptRuns({ app }: { app: App }) {
  const { runs, run, adapter } = app.state;
  if (!runs || runs.length === 0) return null;
  return (
    <section aria-labelledby="kept">
      <h2 id="kept">Runs in this browser</h2>
      <p>
        A run is kept every ten steps and whenever it stands still, here and nowhere else. It goes
        on where it was, to the bits of one that was never stopped.
      </p>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">methods</th>
              <th scope="col">seed</th>
              <th scope="col">step</th>
              <th scope="col">kept</th>
              <th scope="col">size</th>
              <th scope="col" />
            </tr>
          </thead>
          <tbody>
            {runs.map(({ id, at, step, setup, bytes }) => {
              const name = namesOf(setup).join(" and ");
              return (
                <tr key={id}>
                  <th scope="row">{name}</th>
                  <td>{setup.seed}</td>
                  <td>{step}</td>
                  <td>{new Date(at).toLocaleString()}</td>
                  <td>{(bytes / 1e6).toFixed(1)} MB</td>
                  <td class="actions">
                    {id === run ? (
                      "open"
                    ) : (
                      <>
                        <button
                          type="button"
                          disabled={!adapter}
                          aria-label={`Go on with ${name}, step ${step}`}
                          onClick={() => app.open(id)}
                        >
                          Go on
                        </button>
                        <button
                          type="button"
                          aria-label={`Delete ${name}, step ${step}`}
                          onClick={() => app.forget(id)}
                        >
                          Delete
                        </button>
                      </>
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}
