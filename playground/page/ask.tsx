/** A question of the visitor's, answered by the base model and by both that train. */
import { useState } from "preact/hooks";
import { tallyOutcomes } from "../../lib/explore/counter.ts";
import type { Answered } from "../messages.ts";
import type { App } from "./app.ts";

export function Ask({ app, names }: { app: App; names: readonly string[] }) {
  const { adapter, asked, setup } = app.state;
  const [text, setText] = useState("23+7-4+9=");
  return (
    <section aria-labelledby="ask">
      <h2 id="ask">A question of your own</h2>
      <p>Each model answers it 32 times. Then train on, and ask again.</p>
      <form
        class="buttons"
        onSubmit={(event) => {
          event.preventDefault();
          app.ask({ do: "ask", question: text, seed: setup.seed });
        }}
      >
        <label class="typed">
          <span>A sum</span>
          <input
            type="text"
            value={text}
            maxLength={40}
            autocomplete="off"
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <button type="submit" disabled={!adapter}>
          Ask
        </button>
      </form>
      {asked && (
        <>
          <p class="asked">
            <strong>{asked.answered[0].answers.question}</strong> <small>right: {asked.gold}</small>
          </p>
          <div class="charts">
            {asked.answered.map((one) => (
              <Said key={one.of} answered={one} gold={asked.gold} names={names} />
            ))}
          </div>
        </>
      )}
    </section>
  );
}

interface SaidProps {
  answered: Answered;
  gold: string;
  names: readonly string[];
}

/** The answers of a model, the most frequent first, each with a completion that gave it. */
function Said({ answered: { of, step, answers }, gold, names }: SaidProps) {
  const { outcomes, texts, correct } = answers;
  const counts = [...tallyOutcomes(outcomes)].sort(([, a], [, b]) => b - a);
  const right = correct.filter(Boolean).length;
  return (
    <figure>
      <figcaption>
        {of === "base" ? "base" : `${names[of]}, step ${step}`}
        <small>
          {right} of {texts.length} right, {counts.length} different
        </small>
      </figcaption>
      <table class="said">
        <thead>
          <tr>
            <th scope="col">answer</th>
            <th scope="col">times</th>
            <th scope="col">for example</th>
          </tr>
        </thead>
        <tbody>
          {counts.map(([outcome, times]) => (
            <tr key={String(outcome)}>
              <th scope="row" class={outcome === gold ? "right" : ""}>
                {outcome === gold && "★ "}
                {outcome ?? "none"}
              </th>
              <td>{times}</td>
              <td>
                <code>{texts[outcomes.indexOf(outcome)]}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}
