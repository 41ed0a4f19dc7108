// The tables of docs/methods.md and pictures, from results of `rlexplore compare`:
//   node scripts/bun.js scripts/tables.ts [runs/methods-sweep]
// With a folder, its results.json is first shortened to bench/results/<name of the folder>.json. A table stands between
// <!-- <name> <table> --> and <!-- /<name> <table> -->; tests/docs/ sees that all agree.
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { MethodResults, Results } from "../beyond/compare/results.ts";
import { picture } from "../beyond/compare/telling.ts";
import type { Estimate } from "../beyond/measuring/bootstrap.ts";

export const PAGE = "docs/methods.md";

/** The goal: no more than this lost, at no k against the base model and at k = 1 against plain GRPO. */
const TOLERATED = 0.02;

const keptAt = (name: string) => `bench/results/${name}.json`;
export const pictureAt = (name: string) => `docs/results/${name}.svg`;
export const kept = (name: string): Results => JSON.parse(readFileSync(keptAt(name), "utf8"));

type Evaluation = MethodResults["evaluations"][number];

const lastOf = ({ evaluations }: MethodResults): Evaluation => evaluations[evaluations.length - 1];

const passes = ({ methods: [first] }: Results) =>
  Object.keys(lastOf(first).figures).filter((name) => name.startsWith("pass@"));

/** `.452`, and with two digits `4.52`. */
function number(x: number | null, digits = 3): string {
  const text = (x ?? Number.NaN).toFixed(digits).replace("-", "−");
  return digits === 3 ? text.replace(/^(−?)0\./, "$1.") : text;
}

function gained({ value, low, high }: Estimate): string {
  const signed = (x: number | null) => `${(x ?? 0) < 0 ? "" : "+"}${number(x)}`;
  return `${signed(value)} (${signed(low)}, ${signed(high)})`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|---|${"---:|".repeat(head.length - 1)}`, ...rows.map(line)].join("\n");
}

/** On held-out questions, at a checkpoint; tokens are those of all completions of the training. */
const figures = (at: (method: MethodResults) => Evaluation) => (results: Results) => {
  const names = [...passes(results), "area", "diff@8", "entropy"];
  const rows = results.methods.map((one) => {
    const { figures, step } = at(one);
    const values = names.map((name) => number(figures[name].value, name === "diff@8" ? 2 : 3));
    const isWhole = step > 0 && step === lastOf(one).step;
    return [`\`${one.method}\``, ...values, isWhole ? `${Math.round(one.tokens / 1000)} k` : ""];
  });
  return table(["", ...names, "tokens"], rows);
};

const gains = (over: "overBase" | "overReference") => (results: Results) => {
  const names = [...passes(results), "area"];
  const rows = results.methods.flatMap((one) => {
    const gain = lastOf(one)[over];
    return gain ? [[`\`${one.method}\``, ...names.map((name) => gained(gain[name]))]] : [];
  });
  return table(["", ...names], rows);
};

/** How near each method comes to the goal. */
function goal(results: Results): string {
  const isMet = ({ low }: Estimate) => (low ?? Number.NaN) > -TOLERATED;
  const rows = results.methods.flatMap((one) => {
    const { overBase, overReference } = lastOf(one);
    if (!overBase) return [];
    const low = (name: string) => overBase[name].low ?? Number.NaN;
    const worst = passes(results).reduce((a, b) => (low(b) < low(a) ? b : a));
    const first = overReference?.["pass@1"];
    const met = isMet(overBase[worst]) && (!first || isMet(first));
    const atFirst = first ? gained(first) : "–";
    const atWorst = `${gained(overBase[worst])} at ${worst}`;
    return [[`\`${one.method}\``, atWorst, atFirst, met ? "yes" : "no"]];
  });
  return table(["", "worst against base", "pass@1 against plain GRPO", "goal met"], rows);
}

/** Samples of a training question after which runs are compared as samplers. */
const SAMPLES = 32;

/** Training as sampling (Figure 2 of arXiv 2509.06941): what carries over to questions that are not solved yet. */
function transfer({ methods }: Results): string {
  const rows = methods.flatMap(({ method, sampling }) => {
    const at = sampling.find(({ samples }) => samples === SAMPLES);
    if (!at) return [];
    const { figures, overBase, overReference } = at;
    const gain = (over: typeof overBase) => (over ? gained(over.distinctUnsolved) : "–");
    const { solved, distinct } = figures;
    const seen = [number(solved.value), number(distinct.value, 2)];
    return [[`\`${method}\``, ...seen, gain(overBase), gain(overReference)]];
  });
  const unsolved = "unsolved by both";
  const head = ["solved", "answers seen", `over base, ${unsolved}`, `over plain GRPO, ${unsolved}`];
  return table(["", ...head], rows);
}

const TABLES: Record<string, (results: Results) => string> = {
  figures: figures(lastOf),
  early: figures(({ evaluations }) => evaluations[0]),
  "over-base": gains("overBase"),
  "over-grpo": gains("overReference"),
  goal,
  transfer,
};

/** The page with its tables as the results have them. */
export const filled = (page: string): string =>
  page.replace(
    /<!-- ([\w-]+) ([\w-]+) -->[\s\S]*?<!-- \/\1 \2 -->/g,
    (_, name: string, what: string) =>
      `<!-- ${name} ${what} -->\n\n${TABLES[what](kept(name))}\n\n<!-- /${name} ${what} -->`,
  );

/** Names of the results that are drawn: those of the README, and those that the page has tables of. */
export const namesIn = (page: string): string[] => [
  ...new Set([
    "first",
    ...Array.from(page.matchAll(/<!-- ([\w-]+) [\w-]+ -->/g), ([, name]) => name),
  ]),
];

export const drawn = (name: string): Promise<string> => picture(kept(name));

/** Without the figures that no table has, to five digits, an estimate a line. */
function shortened(text: string): string {
  const results = JSON.parse(text, (key, value) => {
    if (/^(?:maj|diff)@/.test(key) && key !== "diff@8") return undefined;
    return typeof value === "number" ? Number(value.toFixed(7)) : value;
  });
  return `${JSON.stringify(results, null, 1).replace(
    /\{\s+"value": (\S+),\s+"low": (\S+),\s+"high": (\S+)\s+\}/g,
    '{ "value": $1, "low": $2, "high": $3 }',
  )}\n`;
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2);
  if (folder) {
    const results = readFileSync(join(folder, "results.json"), "utf8");
    writeFileSync(keptAt(basename(resolve(folder))), shortened(results));
  }
  const page = readFileSync(PAGE, "utf8");
  writeFileSync(PAGE, filled(page));
  for (const name of namesIn(page)) writeFileSync(pictureAt(name), await drawn(name));
}
