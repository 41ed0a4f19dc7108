/** What a visitor chooses, and the buttons that start, stop and step. */
import type { MethodChoice, Setup, Side } from "../messages.ts";
import { SIDES } from "../messages.ts";
import { TEXTS } from "../model-files.ts";
import type { App } from "./app.ts";
import { METHODS, namesOf, withMethod } from "./methods.ts";
import { stepOf } from "./store.ts";

export function Controls({ app }: { app: App }) {
  const { state } = app;
  const { running, begun, adapter, activity } = state;
  const choose = (changes: Partial<Setup>) => app.change({ setup: { ...state.setup, ...changes } });
  const chooseMethod = (side: Side, choice: MethodChoice) => {
    const methods = [...state.setup.methods] as [MethodChoice, MethodChoice];
    methods[side] = choice;
    choose({ methods });
  };
  const isOver = state.problem?.isFatal ?? false;
  return (
    <section class="controls" aria-label="Training">
      <div class="buttons">
        <button
          type="button"
          class="main"
          disabled={!adapter || isOver}
          onClick={() => (running ? app.pause() : app.run())}
        >
          {running ? "Pause" : begun ? "Go on" : "Train"}
        </button>
        <button type="button" disabled={!adapter || running || isOver} onClick={() => app.step()}>
          One step
        </button>
        <button type="button" disabled={!begun || isOver} onClick={() => app.restart()}>
          Begin anew
        </button>
        <p class="status">
          {/* read aloud when it changes; every step would be too much */}
          <span role="status">{statusOf(app)}</span>
          {begun && `, step ${stepOf(state)}`}
          {activity && <small>{activity}</small>}
        </p>
      </div>
      <div class="choices">
        {SIDES.map((side) => (
          <MethodChooser
            key={side}
            label={side === 0 ? "Left" : "Right"}
            choice={state.setup.methods[side]}
            onChange={(choice) => chooseMethod(side, choice)}
          />
        ))}
      </div>
      <details>
        <summary>More to choose</summary>
        <div class="numbers">
          <NumberField
            label="Seed"
            value={state.setup.seed}
            min={0}
            max={2 ** 32 - 1}
            onChange={(seed) => choose({ seed })}
          />
          <NumberField
            label="Questions trained on"
            value={state.setup.questions}
            min={16}
            max={512}
            onChange={(questions) => choose({ questions })}
          />
          <NumberField
            label="Questions a step"
            value={state.setup.promptsPerStep}
            min={1}
            max={64}
            onChange={(promptsPerStep) => choose({ promptsPerStep })}
          />
          <NumberField
            label="Completions of each"
            value={state.setup.numGenerations}
            min={4}
            max={32}
            onChange={(numGenerations) => choose({ numGenerations })}
          />
          <NumberField
            label="Learning rate"
            value={state.setup.learningRate}
            min={0}
            max={0.01}
            step="any"
            onChange={(learningRate) => choose({ learningRate })}
          />
          <NumberField
            label="Steps between evaluations"
            value={state.setup.evalSteps}
            min={0}
            max={100}
            onChange={(evalSteps) => choose({ evalSteps })}
          />
        </div>
      </details>
      {begun && !running && !isOver && <Downloads app={app} />}
      {begun && JSON.stringify(begun) !== JSON.stringify(state.setup) && (
        <p class="note">What you changed counts from the next beginning: “Begin anew”.</p>
      )}
    </section>
  );
}

/** The models as files that the executable opens. */
function Downloads({ app }: { app: App }) {
  const names = namesOf(app.state.begun ?? app.state.setup);
  return (
    <details>
      <summary>Take a model with you</summary>
      <p class="note">
        The weights of a side as <code>model.safetensors</code>. Put the file into a folder beside
        the three others, and go on in a terminal:{" "}
        <code>rlexplore train data.jsonl --model folder</code>
      </p>
      <div class="buttons">
        {SIDES.map((side) => (
          <button key={side} type="button" onClick={() => app.ask({ do: "export", side })}>
            {names[side]}
          </button>
        ))}
        {TEXTS.map((name) => (
          <a key={name} download={name} href={name}>
            {name}
          </a>
        ))}
      </div>
    </details>
  );
}

function statusOf({ state }: App): string {
  if (state.problem?.isFatal) return "stopped";
  if (!state.adapter) return "opening";
  if (!state.begun) return "ready";
  return state.running ? "training" : "paused";
}

interface ChooserProps {
  label: string;
  choice: MethodChoice;
  onChange: (choice: MethodChoice) => void;
}

function MethodChooser({ label, choice, onChange }: ChooserProps) {
  const { explore, coefficients, b0 } = choice;
  const terms = explore.split(",");
  return (
    <fieldset>
      <legend>{label}</legend>
      <label>
        <span>Method</span>
        <select
          value={explore}
          onChange={({ currentTarget }) => onChange(withMethod(choice, currentTarget.value))}
        >
          {Object.entries(METHODS).map(([name, words]) => (
            <option key={name} value={name}>
              {name}: {words}
            </option>
          ))}
        </select>
      </label>
      {explore !== "none" &&
        terms.map((term, i) => (
          <Slider
            key={term}
            label={terms.length > 1 ? `c of ${term}` : "c"}
            value={coefficients[i]}
            max={1}
            onChange={(c) => onChange({ ...choice, coefficients: coefficients.with(i, c) })}
          />
        ))}
      {explore === "own" && (
        <label class="code">
          <span>B of each completion, in JavaScript</span>
          <textarea
            rows={7}
            spellcheck={false}
            value={choice.code}
            onInput={({ currentTarget }) => onChange({ ...choice, code: currentTarget.value })}
          />
        </label>
      )}
      {terms.includes("ucb-con") && (
        <Slider label="b0" value={b0} max={1} onChange={(b0) => onChange({ ...choice, b0 })} />
      )}
    </fieldset>
  );
}

interface SliderProps {
  label: string;
  value: number;
  max: number;
  onChange: (value: number) => void;
}

function Slider({ label, value, max, onChange }: SliderProps) {
  return (
    <label class="slider">
      <span>{label}</span>
      <input
        type="range"
        min={0}
        max={max}
        step={0.01}
        value={value}
        onInput={({ currentTarget }) => onChange(currentTarget.valueAsNumber)}
      />
      <output>{value.toFixed(2)}</output>
    </label>
  );
}

interface NumberProps extends SliderProps {
  min: number;
  step?: string;
}

/** A number that counts once it is one within the bounds. */
function NumberField({ label, value, min, max, step, onChange }: NumberProps) {
  return (
    <label>
      <span>{label}</span>
      <input
        type="number"
        {...{ min, max, step, value }}
        onChange={({ currentTarget }) => {
          if (currentTarget.reportValidity() && currentTarget.value) {
            onChange(currentTarget.valueAsNumber);
          }
        }}
      />
    </label>
  );
}
