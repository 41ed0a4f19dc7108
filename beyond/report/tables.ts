import { escapeHtml } from "./draw.ts";
import { baseModels, estimateOf, heldOutOf, ksOf, type Models, modelsAt } from "./evaluated.ts";
import type { Method } from "./methods.ts";
import type { ReportedRun } from "./runs.ts";
import { type Interval, mean, seedInterval } from "./statistics.ts";

const three = (x: number) => x.toFixed(3);
const two = (x: number) => x.toFixed(2);

/** A number with its interval below it. */
function cell(interval: Interval | null, form: (x: number) => string): string {
  if (interval === null) return "–";
  const { mean: centre, low, high } = interval;
  const known = low !== undefined && high !== undefined;
  return `${form(centre)}${known ? `<small>${form(low)} to ${form(high)}</small>` : ""}`;
}

/** The mean of the values that are defined, with its interval over seeds. */
function overRuns(values: readonly number[], form: (x: number) => string): string {
  const known = values.filter(Number.isFinite);
  if (known.length === 0) return "–";
  return cell(seedInterval(known) ?? { mean: mean(known) }, form);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? `<th scope="row">${cell}</th>` : `<td>${cell}</td>`)).join("");
  const heads = head.map((cell) => `<th scope="col">${cell}</th>`).join("");
  return `<div class="scroll"><table><thead><tr>${heads}</tr></thead><tbody>
${rows.map((row) => `<tr>${cells(row)}</tr>`).join("\n")}
</tbody></table></div>`;
}

/** The base model, then each method at its last checkpoint; of those that were evaluated. */
function evaluated(methods: readonly Method[]): Models[] {
  return [...baseModels(methods), ...modelsAt(methods, "last")];
}

/** pass@k and distinct answers of the base model and of the last checkpoints. */
export function passTable(methods: readonly Method[]): string {
  const all = evaluated(methods);
  const ks = ksOf(all);
  const most = ks[ks.length - 1];
  const temperatures = all.map((models) => heldOutOf(models)[0].temperature);
  const isOne = new Set(temperatures).size === 1;
  const rows = all.map((models, i) => [
    escapeHtml(models.name),
    String(models.runs.length),
    ...(isOne ? [] : [String(temperatures[i] ?? "unknown")]),
    ...ks.map((k) => cell(estimateOf(models, `pass@${k}`), three)),
    cell(estimateOf(models, `diff@${most}`), two),
  ]);
  const heads = [
    "",
    "seeds",
    ...(isOne ? [] : ["temperature"]),
    ...ks.map((k) => `pass@${k}`),
    `distinct of ${most}`,
  ];
  return rows.length > 0 ? table(heads, rows) : "";
}

const DIVERSITY = [
  "",
  "entropy",
  "correct",
  "incorrect",
  "distinct in a group",
  "solved",
  "unsolved",
];

/** Entropy by correctness (Table 1) and distinct answers in a group (Table 2), on held-out questions. */
export function heldOutDiversity(methods: readonly Method[]): string {
  const rows = evaluated(methods).map((models) => {
    const names = Object.keys(heldOutOf(models)[0].values);
    const group = names.find((name) => name.startsWith("distinct-solved@"))?.split("@")[1];
    const figure = (name: string, form: (x: number) => string) =>
      cell(estimateOf(models, name), form);
    return [
      escapeHtml(models.name),
      ...["entropy", "entropy-correct", "entropy-incorrect"].map((name) => figure(name, three)),
      ...["diff", "distinct-solved", "distinct-unsolved"].map((name) =>
        figure(`${name}@${group}`, two),
      ),
    ];
  });
  return rows.length > 0 ? table(DIVERSITY, rows) : "";
}

/** Share of the training, at its end, that the table about training looks at. */
const LATE = 0.25;

/** The same, of the completions sampled late in training. */
export function trainingDiversity(methods: readonly Method[]): string {
  const rows = methods
    .map((method) => ({ name: method.name, late: method.runs.flatMap(lateDiversity) }))
    .filter(({ late }) => late.length > 0)
    .map(({ name, late }) => [
      escapeHtml(name),
      ...(["all", "correct", "incorrect"] as const).map((which) =>
        overRuns(
          late.map(({ entropy }) => entropy[which]),
          three,
        ),
      ),
      ...(["all", "solved", "unsolved"] as const).map((which) =>
        overRuns(
          late.map(({ distinct }) => distinct[which]),
          two,
        ),
      ),
    ]);
  return rows.length > 0 ? table(DIVERSITY, rows) : "";
}

function lateDiversity({ rollouts }: ReportedRun) {
  if (rollouts.length === 0) return [];
  const { step, slot, outcome, correct, entropy, tokens } = rollouts;
  const from = (step.at(-1) ?? 0) * (1 - LATE);
  const sums = { correct: { nats: 0, tokens: 0 }, incorrect: { nats: 0, tokens: 0 } };
  const groups = new Map<string, { answers: Set<number>; solved: boolean }>();
  for (let i = 0; i < rollouts.length; i++) {
    if (step[i] <= from) continue;
    if (Number.isFinite(entropy[i])) {
      const sum = sums[correct[i] ? "correct" : "incorrect"];
      sum.nats += entropy[i] * tokens[i];
      sum.tokens += tokens[i];
    }
    const key = `${step[i]} ${slot[i]}`;
    const group = groups.get(key) ?? { answers: new Set<number>(), solved: false };
    if (outcome[i] >= 0) group.answers.add(outcome[i]);
    group.solved ||= correct[i];
    groups.set(key, group);
  }
  const { correct: right, incorrect: wrong } = sums;
  const all = [...groups.values()];
  const distinct = (some: typeof all) => mean(some.map(({ answers }) => answers.size));
  return [
    {
      entropy: {
        all: (right.nats + wrong.nats) / (right.tokens + wrong.tokens),
        correct: right.nats / right.tokens,
        incorrect: wrong.nats / wrong.tokens,
      },
      distinct: {
        all: distinct(all),
        solved: distinct(all.filter(({ solved }) => solved)),
        unsolved: distinct(all.filter(({ solved }) => !solved)),
      },
    },
  ];
}

const shown = (value: unknown) =>
  value === null || value === undefined
    ? "–"
    : Array.isArray(value)
      ? value.join(", ")
      : String(value);

/** Settings and versions: what all runs share, and what differs, by run. */
export function settingsTables(runs: readonly ReportedRun[]): string {
  const flat = runs.map(({ config }) => ({
    ...config.settings,
    ...config.versions,
    adapter: config.adapter?.name,
    driver: config.adapter?.driver,
  })) as Record<string, unknown>[];
  const keys = [...new Set(flat.flatMap((one) => Object.keys(one)))];
  // the samples of the base model have no settings of training
  const trained = flat.filter(({ explore }) => explore !== undefined);
  const [first] = [...trained, ...flat];
  const same = (key: string) => trained.every((one) => shown(one[key]) === shown(first[key]));
  const differing = keys.filter((key) => !same(key) && key !== "outputDir");
  const common = keys.filter(same);
  const differences =
    differing.length > 0
      ? table(
          ["run", ...differing],
          flat.map((one, i) => [
            escapeHtml(runs[i].name),
            ...differing.map((key) => escapeHtml(shown(one[key]))),
          ]),
        )
      : "";
  const rows = common.map((key) => [escapeHtml(key), escapeHtml(shown(first[key]))]);
  return `${differences}<details><summary>All settings and versions</summary><div class="words">${table(["setting", "value"], rows)}</div></details>`;
}
