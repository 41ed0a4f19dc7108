/** What came out of an experiment, for the reader: a table, a sentence, a picture, and what to do next. */
import { join } from "node:path";
import { estimateText } from "../measuring/evaluation.ts";
import { standalone } from "../report/draw.ts";
import { drawLines, type Point } from "../report/lines.ts";
import { inksFor } from "../report/theme.ts";
import { optionName } from "../settings/flags.ts";
import { advantageOf, bonusOf, termsOf } from "../settings/methods.ts";
import { command, flagLine } from "../terminal/program.ts";
import { table } from "../terminal/progress.ts";
import type { PlannedRun } from "./experiment.ts";
import type { Results } from "./results.ts";

/** The k of pass@k that were measured, ascending. */
const ksOf = ({ methods: [{ evaluations }] }: Results): number[] =>
  Object.keys(evaluations[0].figures)
    .flatMap((name) => /^pass@(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number);

/** After the last step of each. */
const last = ({ methods }: Results) =>
  methods.map(({ method, evaluations }) => ({ method, ...evaluations[evaluations.length - 1] }));

/** The methods after their last step: a row each, with intervals; below, what each gains over the reference. */
export function resultTable(folder: string, results: Results): string {
  const { methods, questions, samples, reference } = results;
  const ks = ksOf(results);
  const shown = ks.filter((k) => [1, 8, 32].includes(k) || k === ks[ks.length - 1]);
  // with fewer than 8 samples as many as there are
  const diff = `diff@${ks.includes(8) ? 8 : ks[ks.length - 1]}`;
  const columns = [...shown.map((k) => `pass@${k}`), diff, "entropy"];
  const temperatures = [...new Set(last(results).map(({ temperature }) => temperature))];
  const isOne = temperatures.length === 1;
  const rows = last(results).map(({ method, step, temperature, figures }) => [
    `${method}, step ${step}${isOne ? "" : `, temperature ${temperature}`}`,
    ...columns.map((name) => estimateText(figures[name])),
  ]);
  const gains = last(results).flatMap(({ method, overReference }) => {
    if (!overReference) return [];
    return [[method, ...columns.map((name) => estimateText(overReference[name], "+"))]];
  });
  const count = methods[0].seeds.length;
  const [seeds, over] =
    count === 1 ? ["one seed", "questions"] : [`${count} seeds`, "questions and seeds"];
  const title = `${folder}: ${questions} held-out questions, ${samples} samples each${isOne ? `, temperature ${temperatures[0]}` : ""}, ${seeds}; 95 % intervals over ${over}`;
  const first = table(title, [["", ...columns], ...rows]);
  if (gains.length === 0) return first;
  return `${first}\n${table(`gain over ${reference}, paired`, [["", ...columns], ...gains])}`;
}

/** The table in a sentence: what each method gained and lost against the base model. Null where that was not evaluated. */
export function reading(results: Results): string | null {
  const most = Math.max(...ksOf(results));
  const compared = last(results).flatMap(({ overBase, ...rest }) =>
    overBase ? [{ overBase, ...rest }] : [],
  );
  if (compared.length === 0) return null;
  const steps = [...new Set(compared.map(({ step }) => step))];
  const told = compared.map(({ method, step, overBase }) => {
    const [first, all] = [1, most].map((k) => 100 * (overBase[`pass@${k}`].value ?? Number.NaN));
    const name = method === "none" ? "plain GRPO" : method;
    const when = steps.length > 1 ? ` (step ${step})` : "";
    const again = verb(all) === verb(first) ? "" : `${verb(all)} `;
    return `${name}${when} ${verb(first)} ${size(first)} at the first try and ${again}${size(all)} at ${most} tries`;
  });
  const after = steps.length > 1 ? "" : ` after ${steps[0]} steps`;
  return `Against the base model${after}, in points of pass@k: ${told.join("; ")}.`;
}

const verb = (points: number) => (points < 0 ? "lost" : "gained");
const size = (points: number) => Math.abs(points).toFixed(1);

/** With more lines their bands cover each other. */
const MOST_BANDS = 4;

/** pass@k against k after the last step, with 95 % intervals as bands where there is room: an SVG file. */
export async function picture(results: Results): Promise<string> {
  const ks = ksOf(results);
  const methods = last(results);
  const lines = methods.map(({ method, figures }) => ({
    name: method,
    points: ks.map((k) => {
      const { value, low, high } = figures[`pass@${k}`];
      const band = methods.length <= MOST_BANDS ? { low, high } : {};
      return { x: k, y: value, ...band } as Point;
    }),
  }));
  const chart = {
    id: "pass",
    title: "pass@k on held-out questions",
    xTitle: "samples k",
    xLog: 2 as const,
    format: ".2~f",
    lines,
  };
  return standalone(await drawLines(chart, inksFor(lines.map(({ name }) => name))));
}

/**
 * Commands to go on with, once the runs of an experiment are made.
 * @param run one of them
 * @param question which it was asked
 */
export function goingOn(run: PlannedRun, folder: string, question: string): string {
  if (run.base) return command`report ${folder}`;
  const path = join(folder, run.name);
  const lines = [
    [command`report ${folder}`, "all of it as a page of charts"],
    [command`watch ${path}`, "every completion of a run, to search"],
    [command`sample ${question} -n 8 --model ${path}`, "what the model answers now"],
    [`${command`train your.jsonl --model path/to/model`} ${methodLine(run)}`, "your own data"],
  ];
  return ["Next:", ...lines.map(([line, what]) => `  ${line}  # ${what}`)].join("\n");
}

/** The flags that say a method, without those that are at their defaults or of no use to it. */
function methodLine({ settings, own }: PlannedRun & { base: false }): string {
  const { advantage, explore, exploreCoef } = settings;
  const flags = new Map([
    ["advantage", advantage],
    ["explore", explore],
  ]);
  if (explore !== "none") flags.set("explore-coef", exploreCoef.join(","));
  const used = [
    advantageOf(advantage, own),
    ...termsOf(explore).map((term) => bonusOf(term, own)),
  ].filter((method) => method !== undefined);
  for (const [key, value] of Object.entries(settings)) {
    const method = used.find(({ parameters }) => key in parameters);
    if (!method || value === method.parameters[key].default) continue;
    flags.set(optionName(key), String(value));
  }
  return flagLine(flags);
}
