/** The lines of the charts, from what the page knows. */
import type { Line, LineChart, Point } from "../../beyond/report/lines.ts";
import type { StepFigures } from "../messages.ts";
import type { SideState } from "./log.ts";
import type { Shown } from "./store.ts";

/** Points of a line that follows training. */
const POINTS = 40;

/** A figure of every step, in means over as many steps as leave a readable line. */
export function overSteps({ steps }: SideState, figure: keyof StepFigures): Point[] {
  const width = Math.max(1, Math.ceil(steps.length / POINTS));
  const points: Point[] = [];
  for (let end = width; end <= steps.length; end += width) {
    const some = steps.slice(end - width, end);
    const mean = some.reduce((sum, step) => sum + step[figure], 0) / some.length;
    points.push({ x: some[some.length - 1].step, y: mean });
  }
  return points;
}

/** pass@k at each evaluation. */
const passOver = ({ held }: SideState, k: number): Point[] =>
  held.map(({ step, pass }) => ({ x: step, y: pass[k] }));

const passCurve = (pass: Record<number, number>): Point[] =>
  Object.entries(pass).map(([k, y]) => ({ x: Number(k), y }));

/** What the base model does, as a level line to compare with. */
function level({ sides }: Shown, y: number | undefined): Line {
  const last = Math.max(0, ...sides.map(({ held }) => held.at(-1)?.step ?? 0));
  if (y === undefined || last === 0) return { name: "base", points: [] };
  return { name: "base", points: [0, last].map((x) => ({ x, y })) };
}

/** The largest k that the held-out questions were measured at; 32 until they are. */
function largestK({ base, sides }: Shown): number {
  const measured = [base, ...sides.map(({ held }) => held.at(-1))];
  const ks = measured.flatMap((held) => Object.keys(held?.pass ?? {}));
  return ks.length > 0 ? Math.max(...ks.map(Number)) : 32;
}

/** The charts of all sides, called by `names`. */
export function chartsOf(shown: Shown, names: readonly string[]): LineChart[] {
  const { base, sides } = shown;
  const most = largestK(shown);
  const all = (pointsOf: (side: SideState) => Point[]): Line[] =>
    sides.map((side, i) => ({ name: names[i], points: pointsOf(side) }));
  const perStep = (id: keyof StepFigures, title: string, format?: string): LineChart => ({
    id,
    title,
    xTitle: "training step",
    format,
    lines: all((side) => overSteps(side, id)),
  });
  const passAt = (k: number, title: string): LineChart => ({
    id: `pass-${k}`,
    title,
    xTitle: "training step",
    format: ".0%",
    lines: [
      level(shown, base?.pass[k]),
      ...all((side) => (side.held.length > 1 ? passOver(side, k) : [])),
    ],
  });
  return [
    {
      id: "pass",
      title: "pass@k of held-out questions, now",
      xTitle: "samples k",
      xLog: 2,
      format: ".0%",
      lines: [
        { name: "base", points: passCurve(base?.pass ?? {}) },
        ...all(({ held }) => (held.length > 1 ? passCurve(held[held.length - 1].pass) : [])),
      ],
    },
    passAt(1, "pass@1: right at the first try"),
    passAt(most, `pass@${most}: right once in ${most} tries`),
    perStep("solved", "Training questions solved at least once", ".0%"),
    perStep("distinct", "Different answers in a group"),
    perStep("entropy", "Entropy of a token (nats)"),
  ];
}
