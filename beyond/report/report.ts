import { UserError } from "../../lib/errors.ts";
import type { ReportSettings } from "../settings/measuring.ts";
import { goldAnswers } from "./gold.ts";
import { writeCharts, writePage } from "./output.ts";
import { countOf, pageOf } from "./page.ts";
import { findRuns, ReportedRun } from "./runs.ts";
import { sectionsOf, titleOf } from "./sections.ts";

/** `rlexplore report`: what happened in some runs, as one page that needs nothing else. */
export async function report(settings: ReportSettings): Promise<void> {
  const { runs: paths, question, output, charts, chart } = settings;
  if (paths.length === 0) {
    throw new UserError("report needs the folder of a run, or of several: runs/arithmetic-1");
  }
  const runs = findRuns(paths).map((path) => new ReportedRun(path));
  for (const run of runs) run.refresh();
  const drawn = new Map<string, string>();
  const sections = await sectionsOf(runs, {
    questions: question.length > 0 ? question : null,
    gold: await goldAnswers(runs),
    onChart: (id, svg) => drawn.set(id, svg),
  });
  for (const run of runs) run.close();
  const page = pageOf(`${titleOf(runs)} · rlexplore`, sections);
  writePage(output, page);
  if (charts !== null) writeCharts(charts, chosen(drawn, chart));
  const size = `${(page.length / 1e6).toFixed(1)} MB`;
  console.log(`${output}: ${countOf(runs.length, "run")}, ${drawn.size} charts, ${size}`);
}

/** The charts with these names; all of them without. */
function chosen(drawn: ReadonlyMap<string, string>, names: readonly string[]): Map<string, string> {
  for (const name of names) {
    if (drawn.has(name)) continue;
    throw new UserError(`--chart ${name} is none of ${[...drawn.keys()].join(", ")}`);
  }
  return new Map([...drawn].filter(([name]) => names.length === 0 || names.includes(name)));
}
