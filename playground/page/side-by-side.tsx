import { Chart } from "./chart.tsx";
import { chartsOf } from "./curves.ts";
import type { Shown } from "./store.ts";

/** What is shown, and what its sides are called. */
interface ShownProps {
  /** Before the names of its charts. */
  id: string;
  shown: Shown;
  names: string[];
}

/** Both sides and the base model, in charts that grow while they train. */
export function SideBySide(props: ShownProps) {
  return (
    <section aria-labelledby="side-by-side">
      <h2 id="side-by-side">Side by side</h2>
      <p>
        pass@k is the share of questions that at least one of k samples answers right. Reinforcement
        learning raises pass@1; what it costs is seen at large k. Of the methods above, batch with c
        = 0.8 keeps most there, and gains least at the first try. 32 questions that are never
        trained on are asked 32 times each.
      </p>
      <Charts {...props} />
      <Figures {...props} />
    </section>
  );
}

export function Charts({ id, shown, names }: ShownProps) {
  return (
    <div class="charts">
      {chartsOf(shown, names).map((chart) => (
        <Chart
          key={chart.id}
          chart={{ ...chart, id: `${id}-${chart.id}` }}
          names={["base", ...names]}
        />
      ))}
    </div>
  );
}

function Figures({ shown, names }: Omit<ShownProps, "id">) {
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">now</th>
            <th scope="col">reward</th>
            <th scope="col">distinct answers</th>
            <th scope="col">entropy</th>
            <th scope="col">solved</th>
            <th scope="col">pass@1</th>
            <th scope="col">pass@32</th>
          </tr>
        </thead>
        <tbody>
          {shown.sides.map(({ steps, held }, side) => {
            const last = steps.at(-1);
            const measured = held.at(-1);
            return (
              <tr key={names[side]}>
                <th scope="row">{names[side]}</th>
                <td>{last?.reward.toFixed(3)}</td>
                <td>{last?.distinct.toFixed(2)}</td>
                <td>{last?.entropy.toFixed(3)}</td>
                <td>{last && `${(100 * last.solved).toFixed(0)} %`}</td>
                <td>{measured?.pass[1].toFixed(3)}</td>
                <td>{measured?.pass[32].toFixed(3)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
