import { escapeHtml } from "./draw.ts";
import { evaluationsAt, ksOf, momentStep, passEstimate, passGain } from "./evaluated.ts";
import type { Method } from "./methods.ts";
import { type Interval, mean } from "./statistics.ts";

const points = (x: number) => `${x < 0 ? "−" : "+"}${Math.abs(100 * x).toFixed(1)}`;
const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
const strong = (text: string) => `<b>${escapeHtml(text)}</b>`;

/** What happened, in numbers with their intervals, as one paragraph of HTML. */
export function summarise(methods: readonly Method[]): string {
  const evaluated = methods.filter(({ runs }) => evaluationsAt(runs, "last").length > 0);
  if (evaluated.length === 0) return trainingSummary(methods);
  const k = ksOf(evaluated.flatMap(({ runs }) => evaluationsAt(runs, "last"))).at(-1) ?? 1;
  const plain = evaluated.find(({ explore }) => explore === "none");
  const told = plain ?? evaluated[0];
  const steps = Math.max(...told.runs.map((run) => momentStep(run, "last") ?? 0));
  const sentences = [
    `After ${steps} steps, ${strong(told.name)} answers ${first(told, 1)} of the held-out questions right at the first try${change(told, 1)}, and ${first(told, k)} within ${k} tries${change(told, k)}.`,
  ];
  const others = evaluated.filter((method) => method !== told);
  if (plain) sentences.push(...comparison(plain, others, k));
  else {
    for (const method of others) {
      sentences.push(
        `${strong(method.name)}: ${first(method, 1)}${change(method, 1)}, and ${first(method, k)} within ${k}${change(method, k)}.`,
      );
    }
  }
  const seeds = Math.max(...evaluated.map(({ runs }) => runs.length));
  const over = seeds > 1 ? `questions and ${seeds} seeds` : "questions";
  const chance = seeds > 1 ? "" : " One seed each: how much runs differ by chance is not in them.";
  return `${sentences.join(" ")}</p>\n<p class="note">In brackets: 95 % bootstrap intervals over ${over}, in percentage points; differences are paired.${chance}`;
}

/** pass@k at the last checkpoint. */
function first({ runs }: Method, k: number): string {
  const value = passEstimate(runs, "last", k);
  return value ? percent(value.mean) : "an unknown share";
}

/** The change of pass@k from the base model. */
function change({ runs }: Method, k: number): string {
  const gain = passGain({ runs, moment: "base" }, { runs, moment: "last" }, k);
  return gain ? ` (${shown(gain)} from the base model)` : "";
}

function shown({ mean: centre, low, high }: Interval): string {
  const range = low === undefined || high === undefined ? "" : ` [${points(low)}, ${points(high)}]`;
  return `${points(centre)}${range}`;
}

/** The other methods beside plain GRPO at pass@k: ahead, behind, or not told apart. */
function comparison(plain: Method, others: readonly Method[], k: number): string[] {
  const gains = others.flatMap((method) => {
    const gain = passGain(
      { runs: plain.runs, moment: "last" },
      { runs: method.runs, moment: "last" },
      k,
    );
    return gain ? [{ name: method.name, gain }] : [];
  });
  const list = (verdict: string, some: typeof gains) =>
    some.length > 0
      ? [
          `${verdict}: ${some.map(({ name, gain }) => `${strong(name)} ${shown(gain)}`).join(", ")}.`,
        ]
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
