/** The lines of the charts, computed from runs. */

import { quotient } from "../measuring/bootstrap.ts";
import { coverageAfter, historiesOf, type QuestionHistory } from "../measuring/coverage.ts";
import { baseModels, heldOutOf, ksOf, modelsAt } from "./evaluated.ts";
import type { Line, Point } from "./lines.ts";
import type { Method } from "./methods.ts";
import type { ReportedRun } from "./runs.ts";
import { mean, overSeeds } from "./statistics.ts";

/** Points of a line that follows training. */
const POINTS = 60;

/** A line of each method: the mean of its seeds, with their range. */
function linesOf(
  methods: readonly Method[],
  pointsOf: (run: ReportedRun) => readonly Point[],
): Line[] {
  return methods.flatMap(({ name, runs }) => {
    const lines = runs.map(pointsOf).filter((points) => points.length > 0);
    return lines.length > 0 ? [{ name, points: overSeeds(lines) }] : [];
  });
}

/** A metric against the training step, in means over as many steps as leave a readable line. */
export function metricLines(methods: readonly Method[], metric: string): Line[] {
  const last = Math.max(0, ...methods.flatMap(({ runs }) => runs.map(({ lastStep }) => lastStep)));
  const count = Math.min(last, POINTS);
  return linesOf(methods, ({ steps }) => {
    const bins = new Map<number, number[]>();
    for (const line of steps) {
      const value = line[metric];
      if (typeof value !== "number") continue;
      const bin = Math.ceil((line.step * count) / last);
      bins.set(bin, [...(bins.get(bin) ?? []), value]);
    }
    return [...bins].map(([bin, values]) => ({
      x: Math.round((bin * last) / count),
      y: mean(values),
    }));
  });
}

/** A mean over fewer questions than these is not drawn. */
const FEWEST = 5;

export type CoverageFigure = "solved" | "distinct" | "distinctUnsolved";

/** Training as sampling: what was seen against samples drawn of each question. */
export class CoverageLines {
  private readonly histories = new Map<ReportedRun, QuestionHistory[]>();
  private readonly grid: number[];

  constructor(private readonly methods: readonly Method[]) {
    let most = 0;
    for (const run of methods.flatMap(({ runs }) => runs)) {
      const histories = historiesOf(drawsOf(run));
      this.histories.set(run, histories);
      for (const { samples } of histories) most = Math.max(most, samples);
    }
    const points = Math.min(most, POINTS / 2);
    const all = Array.from({ length: points }, (_, i) => Math.round(((i + 1) * most) / points));
    this.grid = [...new Set(all)];
  }

  /** @param among the names of the methods to show; all without */
  lines(figure: CoverageFigure, among?: readonly string[]): Line[] {
    const methods = this.methods.filter(({ name }) => among?.includes(name) ?? true);
    return linesOf(methods, (run) => {
      const histories = this.histories.get(run) ?? [];
      return this.grid.flatMap((samples) => {
        // a question that was not drawn so often would be left out, and the mean would jump
        const reached = histories.filter((history) => history.samples >= samples).length;
        if (reached < 0.9 * histories.length) return [];
        const ratio = coverageAfter(histories, samples)[figure];
        const questions = ratio.per.filter((weight) => weight > 0).length;
        return questions >= FEWEST ? [{ x: samples, y: quotient(ratio) }] : [];
      });
    });
  }
}

function* drawsOf({ rollouts }: ReportedRun) {
  const { questions, outcomes, question, outcome, correct } = rollouts;
  for (let i = 0; i < rollouts.length; i++) {
    yield {
      question: questions[question[i]],
      outcome: outcome[i] < 0 ? null : outcomes[outcome[i]],
      correct: correct[i],
    };
  }
}

/** pass@k against k at a moment; the base model is a line of its own. */
export function passLines(methods: readonly Method[], moment: "early" | "last"): Line[] {
  return [...baseModels(methods), ...modelsAt(methods, moment)].map((models) => {
    const ks = ksOf([models]);
    const lines = heldOutOf(models).map(({ values }) =>
      ks.map((k) => ({ x: k, y: values[`pass@${k}`] ?? Number.NaN })),
    );
    return { name: models.name, points: overSeeds(lines) };
  });
}
