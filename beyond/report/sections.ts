/** The sections of a report, from its runs: the same for a page that is kept and for one that is live. */
import { escapeHtml } from "./draw.ts";
import { baseModels, heldOutOf, modelsAt, momentStep } from "./evaluated.ts";
import { drawLines, type LineChart } from "./lines.ts";
import type { Material, ReportOptions } from "./material.ts";
import { type Method, methodsOf } from "./methods.ts";
import { countOf, csvOf, figureOf, type Section } from "./page.ts";
import type { ReportedRun } from "./runs.ts";
import { type CoverageFigure, CoverageLines, metricLines, passLines } from "./series.ts";
import { summarise } from "./summary.ts";
import { heldOutDiversity, passTable, settingsTables, trainingDiversity } from "./tables.ts";
import { type Ink, inksFor } from "./theme.ts";
import { mapSection } from "./treasure-section.ts";

/** All sections, in the order of the page. */
export async function sectionsOf(
  runs: readonly ReportedRun[],
  options: ReportOptions,
): Promise<Section[]> {
  const methods = methodsOf(runs);
  const names = [...baseModels(methods), ...methods].map(({ name }) => name);
  const inks = inksFor([...new Set(names)]);
  const material: Material = { runs, methods, inks, options };
  const coverage = new CoverageLines(methods);
  return [
    { id: "head", html: headOf(material) },
    { id: "pass", html: await passSection(material) },
    { id: "sampling", html: await samplingSection(material, coverage) },
    { id: "history", html: await historySection(material, coverage) },
    { id: "diversity", html: diversitySection(material) },
    { id: "map", html: await mapSection(material) },
    { id: "training", html: await trainingSection(material) },
    { id: "settings", html: settingsSection(material) },
  ];
}

/** What the report is about, in a line. */
export function titleOf(runs: readonly ReportedRun[]): string {
  const data = new Set(runs.map(({ settings }) => stem(String(settings.data ?? "data"))));
  return runs.length === 1 ? runs[0].name : [...data].join(", ");
}

const stem = (path: string) => path.replace(/^.*[\\/]/, "").replace(/\.\w+$/, "");

function headOf({ runs, methods, inks }: Material): string {
  const damaged = runs.reduce((sum, { damagedLines }) => sum + damagedLines, 0);
  const what = [countOf(runs.length, "run"), countOf(methods.length, "method")];
  const model = [...new Set(runs.map(({ settings }) => stem(String(settings.model ?? ""))))];
  const key = [...inks.keys()].map((name) => {
    const { colour, dash } = inks.get(name) as Ink;
    const style = dash.length > 0 ? ";border-top-style:dashed" : "";
    return `<li><i style="border-color:${colour}${style}"></i>${escapeHtml(name)}</li>`;
  });
  const left =
    damaged > 0
      ? `<p class="note">${countOf(damaged, "damaged line")} of metrics left out: a run was cut short while it wrote.</p>`
      : "";
  return `<header><p class="kicker">rlexplore · ${escapeHtml(what.join(", "))} · model ${escapeHtml(model.join(", "))}</p>
<h1>${escapeHtml(titleOf(runs))}</h1>
<p class="summary">${summarise(methods)}</p>
<ul class="key">${key.join("")}</ul>${left}</header>`;
}

async function figures({ inks, options }: Material, charts: readonly LineChart[]): Promise<string> {
  const drawn: string[] = [];
  for (const chart of charts) {
    if (chart.lines.length === 0) continue;
    const svg = await drawLines(chart, inks);
    options.onChart?.(chart.id, svg);
    const rows = chart.lines.flatMap(({ name, points }) =>
      points.map(({ x, y, low, high }) => [name, x, y, low, high]),
    );
    const csv = csvOf(["line", chart.xTitle, chart.title, "low", "high"], rows);
    drawn.push(figureOf(chart.id, chart.title, svg, csv));
  }
  return drawn.length > 0 ? `<div class="charts">${drawn.join("\n")}</div>` : "";
}

const section = (title: string, about: string, ...content: string[]) =>
  `<section><h2>${title}</h2>\n<p>${about}</p>\n${content.join("\n")}</section>`;

const steps = (runs: readonly ReportedRun[], moment: "early" | "last") => {
  const all = [...new Set(runs.flatMap((run) => momentStep(run, moment) ?? []))];
  return all.length > 0 ? `step ${all.sort((a, b) => a - b).join(", ")}` : "";
};

const NO_STEP = "No step has been trained yet.";
const BAND = "Bands are the range over seeds.";

async function passSection(material: Material): Promise<string> {
  const { runs, methods } = material;
  const title = { early: "early evaluation", last: "latest evaluation" };
  const chart = (moment: "early" | "last"): LineChart => ({
    id: `pass-${moment}`,
    title: `pass@k, ${title[moment]} (${steps(runs, moment)})`,
    xTitle: "samples k",
    xLog: 2,
    format: ".2~f",
    lines: steps(runs, moment) ? passLines(methods, moment) : [],
  });
  const charts = await figures(material, [chart("early"), chart("last")]);
  const about = `The chance that k samples of a held-out question hold a right answer, early and at the end. ${BAND} Below a figure its 95 % bootstrap interval over questions and seeds. ${heldOutIn(methods)}`;
  if (charts) return section("pass@k", about, charts, passTable(methods));
  const isPlanned = runs.some(({ settings }) => settings.evalFile ?? settings.evalSplit ?? false);
  return section(
    "pass@k",
    isPlanned
      ? "No evaluation of a trained model is there yet."
      : "No evaluation: train with --eval-file to see pass@k on held-out questions.",
  );
}

/** What was held out, and how it was asked. */
function heldOutIn(methods: readonly Method[]): string {
  const all = [...baseModels(methods), ...modelsAt(methods, "last")].flatMap(heldOutOf);
  const asked = [...new Set(all.map(({ asked }) => asked))];
  const apart = asked.length > 1 ? " What was asked differently is not compared." : "";
  return `Held out: ${asked.map(escapeHtml).join("; ")}.${apart}`;
}

const coverageChart = (
  coverage: CoverageLines,
  id: string,
  figure: CoverageFigure,
  title: string,
  among?: readonly string[],
): LineChart => ({
  id,
  title,
  xTitle: "samples drawn of each question",
  zero: true,
  ...(figure === "solved" && { format: ".0%" }),
  lines: coverage.lines(figure, among),
});

async function samplingSection(material: Material, coverage: CoverageLines): Promise<string> {
  const charts = await figures(material, [
    coverageChart(coverage, "sampling-solved", "solved", "questions solved at least once"),
    coverageChart(coverage, "sampling-distinct", "distinct", "distinct answers, all questions"),
    coverageChart(
      coverage,
      "sampling-unsolved",
      "distinctUnsolved",
      "distinct answers, questions still unsolved",
    ),
  ]);
  const about = `A training run is also a sampler. What it has found, against the samples it has drawn of each question: where a method sees fewer answers than the base model at equal samples, also on questions it never solved, the loss of diversity has spread. Means over fewer than five questions are not drawn. ${BAND}`;
  const base = material.methods.some(({ explore }) => explore === "base");
  const missing = base
    ? ""
    : '<p class="note">The base model is not among these runs: <code>rlexplore sample-base</code> gives it the same budget.</p>';
  if (charts) return section("Training as sampling", about, charts, missing);
  return section("Training as sampling", "The ledger holds no completions yet.");
}

const HISTORICAL = ["base", "none", "ucb", "ucb-mean", "ucb-con"];

async function historySection(material: Material, coverage: CoverageLines): Promise<string> {
  const methods = material.methods.filter(({ explore }) => HISTORICAL.includes(explore));
  const names = methods.map(({ name }) => name);
  const title = "Bonuses that remember";
  if (!methods.some(({ explore }) => explore.startsWith("ucb"))) {
    return section(title, "No run of ucb, ucb-mean or ucb-con is among these.");
  }
  if (material.runs.every(({ lastStep }) => lastStep === 0)) return section(title, NO_STEP);
  const charts = await figures(material, [
    {
      id: "history-pass",
      title: "pass@k, latest evaluation",
      xTitle: "samples k",
      xLog: 2,
      format: ".2~f",
      lines: passLines(methods, "last"),
    },
    {
      id: "history-training",
      title: "right completions in training",
      xTitle: "training step",
      format: ".0%",
      lines: metricLines(methods, "passAt1"),
    },
    coverageChart(coverage, "history-distinct", "distinct", "distinct answers in training", names),
  ]);
  const about = `The bonuses that count answers over the whole run, and no bonus: rewarding what is rare alone (<b>ucb</b>), against the rest of the group (<b>ucb-mean</b>), against a constant (<b>ucb-con</b>). ${BAND}`;
  return section(title, about, charts);
}

function diversitySection({ methods }: Material): string {
  const heldOut = heldOutDiversity(methods);
  const training = trainingDiversity(methods);
  const title = "Entropy and distinct answers";
  if (!heldOut && !training) return section(title, "The ledger holds no completions yet.");
  const about =
    "Entropy of the policy in nats, mean over the tokens of right and of other completions; distinct answers in a group, for groups with a right answer and without. Below each mean its 95 % interval: held out by the bootstrap over questions and seeds, in training by Student's t over seeds.";
  return section(
    title,
    about,
    heldOut && `<h3>Held out, latest evaluation</h3>${heldOut}`,
    training && `<h3>In the last quarter of the steps</h3>${training}`,
  );
}

const CURVES: [metric: string, title: string, options?: Partial<LineChart>][] = [
  ["loss", "loss"],
  ["reward", "reward"],
  ["heldOutLoss", "held-out loss of sft, nats a token"],
  ["tokenAccuracy", "held-out token accuracy of sft", { format: ".0%" }],
  ["exploration", "exploration term, mean over completions"],
  ["kl", "KL from the reference, nats a token"],
  ["entropy", "entropy, nats a token", { zero: true }],
  ["gradNorm", "gradient norm", { zero: true }],
  ["learningRate", "learning rate", { zero: true, format: "~e" }],
  ["distinct", "distinct answers in a group", { zero: true }],
  ["completionLength", "completion length, tokens"],
  ["truncated", "completions cut off", { zero: true, format: ".0%" }],
  ["noAnswer", "completions without an answer", { zero: true, format: ".0%" }],
  ["equalRewards", "groups of equal rewards, which teach nothing", { zero: true, format: ".0%" }],
  ["samplingTokensPerSecond", "sampling, tokens per second", { zero: true, format: "~s" }],
  ["learningTokensPerSecond", "learning, tokens per second", { zero: true, format: "~s" }],
];

/** Where a reward has several parts, the curve of each. */
function partCurves({ runs }: Material): typeof CURVES {
  const parts = new Set(runs.flatMap(({ steps }) => Object.keys(steps.at(-1) ?? {})));
  const found = [...parts].filter((key) => key.startsWith("reward."));
  return found.length < 2
    ? []
    : found.map((key) => [key, `${key.slice("reward.".length)}, a part of the reward`]);
}

async function trainingSection(material: Material): Promise<string> {
  const charts = await figures(
    material,
    [...CURVES, ...partCurves(material)].map(([metric, title, options]) => ({
      id: `training-${metric.replace(/[^\w-]+/g, "-")}`,
      title,
      xTitle: "training step",
      ...options,
      lines: metricLines(material.methods, metric),
    })),
  );
  if (!charts) return section("Training", NO_STEP);
  const hasKl = charts.includes("training-kl");
  const kl = hasKl ? "" : " KL is measured where --beta is above 0.";
  return section("Training", `Means over a few steps a point. ${BAND}${kl}`, charts);
}

const settingsSection = ({ runs }: Material) =>
  section("Settings", "What the runs were given, and what they ran on.", settingsTables(runs));
