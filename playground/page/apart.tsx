/** A step taken apart: one group of the last step, and every number that its update came from. */
import { useState } from "preact/hooks";
import type { Apart, ApartCompletion } from "../messages.ts";
import { SIDES } from "../messages.ts";
import type { App } from "./app.ts";
import { FORMULAS, type Formula, METHOD_FORMULAS } from "./formulas.ts";
import { namesOf } from "./methods.ts";
import { SourceLink, SourceView } from "./sources.tsx";

export function StepApart({ app }: { app: App }) {
  const { state } = app;
  const { apart, running } = state;
  const [formula, setFormula] = useState<Formula | null>(null);
  const names = namesOf(state.begun ?? state.setup);
  return (
    <section aria-labelledby="apart">
      <h2 id="apart">A step taken apart</h2>
      <p>
        {running
          ? "Pause, and the last step can be walked through: "
          : "The last step, one question at a time: "}
        what was sampled, what it earned, and what the update did to it.
      </p>
      {apart && !running && (
        <>
          <div class="choose">
            {SIDES.map((side) => (
              <button
                key={side}
                type="button"
                aria-pressed={apart.side === side}
                onClick={() => app.takeApart(side, apart.group)}
              >
                {names[side]}
              </button>
            ))}
            <label>
              <span>Question</span>
              <select
                value={apart.group}
                onChange={({ currentTarget }) =>
                  app.takeApart(apart.side, Number(currentTarget.value))
                }
              >
                {apart.questions.map(({ text, right }, group) => (
                  <option key={group} value={group}>
                    {text} ({right} of {apart.completions.length} right)
                  </option>
                ))}
              </select>
            </label>
          </div>
          <p class="asked">
            <strong>{apart.question}</strong> <small>right: {apart.gold}</small>
          </p>
          <Completions apart={apart} />
          <Legend apart={apart} show={setFormula} />
          {formula && <SourceView formula={formula} close={() => setFormula(null)} />}
        </>
      )}
    </section>
  );
}

function Completions({ apart }: { apart: Apart }) {
  return (
    <div class="scroll">
      <table class="apart">
        <thead>
          <tr>
            <th scope="col">completion</th>
            <th scope="col">{FORMULAS.outcome.name}</th>
            <th scope="col">{FORMULAS.reward.name}</th>
            <th scope="col">{FORMULAS.count.name}</th>
            <th scope="col">{FORMULAS.bonus.name}</th>
            {apart.terms.map(({ name }) => (
              <th scope="col" key={name}>
                B <small>{name}</small>
              </th>
            ))}
            <th scope="col">{FORMULAS.advantage.name}</th>
            <th scope="col">{FORMULAS.exploration.name}</th>
            <th scope="col">{FORMULAS.sum.name}</th>
            <th scope="col">{FORMULAS.change.name}</th>
            <th scope="col">×</th>
          </tr>
        </thead>
        <tbody>
          {apart.completions.map((completion, i) => (
            <Row key={i} completion={completion} signals={apart.terms.map((t) => t.signal[i])} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const signed = (value: number) => (value > 0 ? "+" : "") + value.toFixed(3);
const percent = (p: number) => `${(100 * p).toPrecision(3)} %`;

function Row({ completion, signals }: { completion: ApartCompletion; signals: number[] }) {
  const { outcome, correct, reward, count, bonus, advantage, exploration } = completion;
  const before = Math.exp(sum(completion.before));
  const after = Math.exp(sum(completion.after));
  return (
    <tr>
      <th scope="row">
        <Tokens completion={completion} />
      </th>
      <td class={correct ? "right" : ""}>{outcome ?? "none"}</td>
      <td>{reward}</td>
      <td>{count}</td>
      <td>{bonus.toFixed(3)}</td>
      {signals.map((signal, term) => (
        <td key={term}>{signed(signal)}</td>
      ))}
      <td>{signed(advantage)}</td>
      <td>{signed(exploration)}</td>
      <td>
        <strong>{signed(advantage + exploration)}</strong>
      </td>
      <td>
        {percent(before)} → {percent(after)}
      </td>
      <td class={after > before ? "up" : "down"}>
        <strong>{(after / before).toFixed(2)}</strong>
      </td>
    </tr>
  );
}

/** The tokens of a completion, each the stronger in colour the less probable it was; its answer underlined. */
function Tokens({ completion }: { completion: ApartCompletion }) {
  const { tokens, before, after, answerStart } = completion;
  return (
    <span class="tokens">
      {tokens.map((token, i) => {
        const [p, now] = [Math.exp(before[i]), Math.exp(after[i])];
        const text = token.startsWith("<") ? "⏎" : token;
        return (
          <span
            key={i}
            class={i >= answerStart && text !== "⏎" ? "answer" : ""}
            style={`--doubt:${Math.round(100 * (1 - p))}%`}
            title={`${text}: p = ${p.toFixed(3)}, after the update ${now.toFixed(3)}`}
          >
            {text}
          </span>
        );
      })}
    </span>
  );
}

function Legend({ apart, show }: { apart: Apart; show: (formula: Formula) => void }) {
  const { token, outcome, reward, count, bonus, ...rest } = FORMULAS;
  const methods = apart.terms.flatMap(({ name }) => METHOD_FORMULAS[name] ?? []);
  const all = [token, outcome, reward, count, bonus, ...methods, ...Object.values(rest)];
  return (
    <dl class="formulas">
      {all.map((formula) => (
        <div key={formula.name}>
          <dt>
            {formula.name} <code>{formula.formula}</code>
          </dt>
          <dd>
            {formula.words} <SourceLink of={formula} show={show} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
