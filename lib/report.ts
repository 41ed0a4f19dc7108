import { writeCharts, writePage } from "./report/output.ts";
import { countOf, pageOf } from "./report/page.ts";
import { findRuns, ReportedRun } from "./report/runs.ts";
import { sectionsOf, titleOf } from "./report/sections.ts";
import { goldAnswers } from "./report/treasure.ts";
import type { ReportSettings } from "./settings.ts";

/** `rlexplore report`: what happened in some runs, as one page that needs nothing else. */
export async function report({ runs: paths, question, output, charts }: ReportSettings) {
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
  if (charts !== null) writeCharts(charts, drawn);
  const size = `${(page.length / 1e6).toFixed(1)} MB`;
  console.log(`${output}: ${countOf(runs.length, "run")}, ${drawn.size} charts, ${size}`);
}
