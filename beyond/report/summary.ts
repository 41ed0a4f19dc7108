import { escapeHtml } from "./draw.ts";
import {
  baseModels,
  baseOf,
  estimateOf,
  gainOf,
  ksOf,
  type Models,
  modelsAt,
  momentStep,
} from "./evaluated.ts";
import type { Method } from "./methods.ts";
import { type Interval, mean } from "./statistics.ts";

const points = (x: number) => `${x < 0 ? "−" : "+"}${Math.abs(100 * x).toFixed(1)}`;
const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
const strong = (text: string) => `<b>${escapeHtml(text)}</b>`;

/** What happened, in numbers with their intervals, as HTML that goes into a paragraph. */
export function summarise(methods: readonly Method[]): string {
  const trained = modelsAt(methods, "last");
  const bases = baseModels(methods);
  const k = ksOf(trained).at(-1);
  if (k === undefined) return trainingSummary(methods);
  const plain = trained.find(({ name }) => name === "none");
  const told = plain ?? trained[0];
  const steps = stepsOf(told);
  // what was trained for longer or shorter is said to be
  const named = (models: Models) =>
    `${strong(models.name)}${stepsOf(models) === steps ? "" : ` (after ${stepsOf(models)} steps)`}`;
  const sentences = [
    `After ${steps} steps, ${strong(told.name)} answers ${share(told, 1)} of the held-out questions right at the first try${change(bases, told, 1)}, and ${share(told, k)} within ${k} tries${change(bases, told, k)}.`,
  ];
  const others = trained.filter((models) => models !== told);
  if (plain) sentences.push(...comparison(plain, others, k, named));
  else {
    for (const models of others) {
      sentences.push(
        `${named(models)}: ${share(models, 1)}${change(bases, models, 1)}, and ${share(models, k)} within ${k}${change(bases, models, k)}.`,
      );
    }
  }
  const counts = trained.map(({ runs }) => runs.length);
  const [fewest, seeds] = [Math.min(...counts), Math.max(...counts)];
  const range = fewest === seeds ? String(seeds) : `${fewest} to ${seeds}`;
  const over = seeds > 1 ? `questions and ${range} seeds` : "questions";
  const chance = seeds > 1 ? "" : " One seed each: how much runs differ by chance is not in them.";
  return `${sentences.join(" ")}</p>\n<p class="note">In brackets: 95 % bootstrap intervals over ${over}, in percentage points; differences are paired.${chance}`;
}

const stepsOf = ({ runs }: Models) => Math.max(...runs.map((run) => momentStep(run, "last") ?? 0));

/** pass@k in percent. */
function share(models: Models, k: number): string {
  const value = estimateOf(models, `pass@${k}`);
  return value ? percent(value.mean) : "an unknown share";
}

/** The change of pass@k from the base model. */
function change(bases: readonly Models[], models: Models, k: number): string {
  const base = baseOf(models, bases);
  const gain = base && gainOf(base, models, `pass@${k}`);
  return gain ? ` (${shown(gain)} from the base model)` : "";
}

function shown({ mean: centre, low, high }: Interval): string {
  const range = low === undefined || high === undefined ? "" : ` [${points(low)}, ${points(high)}]`;
  return `${points(centre)}${range}`;
}

/** The other methods beside plain GRPO at pass@k: ahead, behind, or not told apart. */
function comparison(
  plain: Models,
  others: readonly Models[],
  k: number,
  named: (models: Models) => string,
): string[] {
  const gains = others.flatMap((models) => {
    const gain = gainOf(plain, models, `pass@${k}`);
    return gain ? [{ name: named(models), gain }] : [];
  });
  gains.sort((a, b) => b.gain.mean - a.gain.mean);
  const list = (verdict: string, some: typeof gains) =>
    some.length > 0
      ? [`${verdict}: ${some.map(({ name, gain }) => `${name} ${shown(gain)}`).join(", ")}.`]
      : [];
  const at = `of ${strong(plain.name)} at pass@${k}`;
  return [
    ...list(
      `Ahead ${at}`,
      gains.filter(({ gain }) => (gain.low ?? 0) > 0),
    ),
    ...list(
      `Behind`,
      gains.filter(({ gain }) => (gain.high ?? 0) < 0),
    ),
    ...list(
      `Not told apart from it`,
      gains.filter(({ gain }) => (gain.low ?? 0) <= 0 && (gain.high ?? 0) >= 0),
    ),
  ];
}

function trainingSummary(methods: readonly Method[]): string {
  const sentences = methods.flatMap(({ name, runs }) => {
    const solved = runs.flatMap(({ steps }) => steps.at(-1)?.solved ?? []);
    const steps = Math.max(...runs.map(({ lastStep }) => lastStep));
    if (solved.length === 0) return [];
    return `${strong(name)} has solved ${percent(mean(solved))} of its training questions at least once in ${steps} steps.`;
  });
  return sentences.join(" ") || "No step has been trained yet.";
}
