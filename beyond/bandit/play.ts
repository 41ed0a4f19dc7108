import { Random } from "../../lib/random.ts";
import { drawLines, type Line } from "../report/lines.ts";
import { writeCharts, writePage } from "../report/output.ts";
import { csvOf, figureOf, pageOf } from "../report/page.ts";
import { type Interval, mean, seedInterval } from "../report/statistics.ts";
import type { Ink } from "../report/theme.ts";
import type { BanditSettings } from "../settings/measuring.ts";
import { table } from "../terminal/progress.ts";
import { drawBandit, type Learner, learners, regretAt } from "./bandit.ts";

const NAMES: Record<Learner, string> = {
  arms: "UCB over arms",
  outcomes: "over outcomes",
  generalising: "generalising",
};

const BOUND = "√(m T)";

const INKS = new Map<string, Ink>([
  [NAMES.arms, { colour: "var(--s1)", dash: [] }],
  [NAMES.outcomes, { colour: "var(--s2)", dash: [] }],
  [NAMES.generalising, { colour: "var(--s4)", dash: [] }],
  [BOUND, { colour: "var(--base)", dash: [5, 3] }],
]);

const ABOUT = `K arms share m outcomes. The reward depends on the outcome alone, and a single arm has the best one.
<b>UCB over arms</b> tries each arm for itself. <b>UCB over outcomes</b> pools what it knows of an outcome, but must pull an
arm to learn its outcome. The <b>generalising</b> learner also knows, from an outcome seen once, which arms have it.`;

/** Regret after some numbers of pulls, of each problem that was drawn. */
interface Curve {
  arms: number;
  learner: Learner;
  /** By seed, then by time. */
  regrets: number[][];
}

/** `rlexplore bandit`: the regret of three learners on outcome-based bandits, against the number of pulls. */
export async function bandit(settings: BanditSettings): Promise<void> {
  const { arms, outcomes, horizon, seeds, output, charts } = settings;
  const times = timesTo(horizon);
  const curves = arms.flatMap((count) => play(count, times, settings));
  console.log(regretTable(curves, times, settings));
  if (output === null && charts === null) return;
  const drawn = new Map<string, string>();
  const figures: string[] = [];
  for (const count of arms) {
    const id = `bandit-${count}`;
    const title = `regret, K = ${count.toLocaleString("en")} arms`;
    const lines: Line[] = [
      ...curves.filter((curve) => curve.arms === count).map((curve) => lineOf(curve, times)),
      { name: BOUND, points: times.map((x) => ({ x, y: Math.sqrt(outcomes * x) })) },
    ];
    const axes = { xTitle: "pulls T", xLog: 10, yLog: true, format: "~s" } as const;
    const svg = await drawLines({ id, title, ...axes, lines }, INKS);
    drawn.set(id, svg);
    const rows = lines.flatMap(({ name, points }) =>
      points.map(({ x, y, low, high }) => [name, x, y, low, high]),
    );
    figures.push(figureOf(id, title, svg, csvOf(["learner", "T", "regret", "low", "high"], rows)));
  }
  if (charts !== null) writeCharts(charts, drawn);
  if (output === null) return;
  const about = `<header><p class="kicker">rlexplore bandit</p><h1>Outcome-based bandits</h1><p class="summary">${ABOUT}</p>
<p class="note">m = ${outcomes} outcomes; mean over ${seeds} problems, bands are 95 % intervals of the mean.</p></header>`;
  const html = `${about}<section><div class="charts">${figures.join("\n")}</div></section>`;
  writePage(output, pageOf("Outcome-based bandits", [{ id: "bandit", html }]));
}

/** 10, 18, 32, 56, 100, ... up to the horizon. */
function timesTo(horizon: number): number[] {
  const times: number[] = [];
  for (let quarter = 4; 10 ** (quarter / 4) < horizon; quarter++) {
    times.push(Math.round(10 ** (quarter / 4)));
  }
  return [...times, horizon];
}

/** All learners on the same problems. */
function play(arms: number, times: readonly number[], settings: BanditSettings): Curve[] {
  const { outcomes, gap, seeds, seed } = settings;
  const means = [0.5 + gap, ...Array<number>(outcomes - 1).fill(0.5)];
  return learners.map((learner, l) => {
    const regrets = Array.from({ length: seeds }, (_, s) => {
      const problem = new Random(seed, arms, s);
      const rewards = new Random(seed, arms, s, l);
      const drawn = drawBandit(arms, means, () => problem.float());
      return regretAt(learner, drawn, times, () => rewards.float());
    });
    return { arms, learner, regrets };
  });
}

function at({ regrets }: Curve, time: number): Required<Interval> {
  const values = regrets.map((regret) => regret[time]);
  return seedInterval(values) ?? { mean: mean(values), low: Number.NaN, high: Number.NaN };
}

function lineOf(curve: Curve, times: readonly number[]): Line {
  const points = times.map((x, i) => {
    const { mean: y, low, high } = at(curve, i);
    // a logarithmic axis has no room for what is not above zero
    return low > 0 ? { x, y, low, high } : { x, y };
  });
  return { name: NAMES[curve.learner], points: points.filter(({ y }) => y > 0) };
}

/** The regret at each power of ten, and at the horizon. */
function regretTable(
  curves: readonly Curve[],
  times: readonly number[],
  { outcomes, gap, seeds }: BanditSettings,
): string {
  const shown = times.flatMap((time, i) =>
    i === times.length - 1 || (time >= 100 && Number.isInteger(Math.log10(time))) ? [i] : [],
  );
  const form = (curve: Curve, i: number) => {
    const { mean: centre, low, high } = at(curve, i);
    return seeds > 1
      ? `${centre.toFixed(0)} ± ${((high - low) / 2).toFixed(0)}`
      : centre.toFixed(0);
  };
  const rows = curves.map((curve) => [
    `K = ${curve.arms}, ${NAMES[curve.learner]}`,
    ...shown.map((i) => form(curve, i)),
  ]);
  const bound = [BOUND, ...shown.map((i) => Math.sqrt(outcomes * times[i]).toFixed(0))];
  const title = `Regret after T pulls: m = ${outcomes} outcomes, the best ${gap} above the others, mean of ${seeds} problems`;
  return table(title, [["T", ...shown.map((i) => String(times[i]))], ...rows, bound]);
}
