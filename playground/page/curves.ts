/** The lines of the charts, from what the page knows. */
import type { Line, LineChart, Point } from "../../beyond/report/lines.ts";
import type { StepFigures } from "../messages.ts";
import type { SideState, State } from "./store.ts";

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
function level(state: State, y: number | undefined): Line {
  const last = state.sides[0].held.at(-1)?.step ?? 0;
  if (y === undefined || last === 0) return { name: "base", points: [] };
  return { name: "base", points: [0, last].map((x) => ({ x, y })) };
}

/** The charts of both sides, called by `names`. */
export function chartsOf(state: State, names: readonly [string, string]): LineChart[] {
  const { base, sides } = state;
  const both = (pointsOf: (side: SideState) => Point[]): Line[] =>
    sides.map((side, i) => ({ name: names[i], points: pointsOf(side) }));
  const perStep = (id: keyof StepFigures, title: string, format?: string): LineChart => ({
    id,
    title,
    xTitle: "training step",
    format,
    lines: both((side) => overSteps(side, id)),
  });
  const passAt = (k: number, title: string): LineChart => ({
    id: `pass-${k}`,
    title,
    xTitle: "training step",
    format: ".0%",
    lines: [
      level(state, base?.pass[k]),
      ...both((side) => (side.held.length > 1 ? passOver(side, k) : [])),
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
        ...both(({ held }) => (held.length > 1 ? passCurve(held[held.length - 1].pass) : [])),
      ],
    },
    passAt(1, "pass@1: right at the first try"),
    passAt(32, "pass@32: right once in 32 tries"),
    perStep("solved", "Training questions solved at least once", ".0%"),
    perStep("distinct", "Different answers in a group"),
    perStep("entropy", "Entropy of a token (nats)"),
  ];
}
