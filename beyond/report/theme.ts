/**
 * Colours as CSS variables, so that pages and drawings follow the reader's light or dark setting. The
 * palette is Okabe and Ito's (2008), which colour-blind readers can tell apart, darkened for paper and
 * lightened for a dark screen. A method has the same colour everywhere.
 */

const COLOURS: Record<string, [light: string, dark: string]> = {
  paper: ["#fdfdfb", "#15171b"],
  raised: ["#ffffff", "#1c1f24"],
  ink: ["#1d1f23", "#e8e8e6"],
  ink2: ["#5c6068", "#a2a6ae"],
  rule: ["#c9ccd2", "#454952"],
  grid: ["#ececee", "#282b31"],
  right: ["#00714f", "#4fd1a5"],
  base: ["#6b7280", "#9aa0aa"],
  s1: ["#c4500c", "#ff8f55"],
  s2: ["#a87400", "#e5b03c"],
  s3: ["#3a95cf", "#85cdf7"],
  s4: ["#0b58a6", "#5aa5f5"],
  s5: ["#008560", "#3fcf9f"],
  s6: ["#a5478a", "#e595c8"],
  // counts of wrong answers, few to many
  w1: ["#e4ecf4", "#1b2937"],
  w2: ["#c3d6e8", "#233d56"],
  w3: ["#97b9da", "#2e5a83"],
  w4: ["#6496c6", "#437eb2"],
  w5: ["#3873aa", "#6ea8d8"],
  w6: ["#194b7d", "#b5d7f3"],
  // counts of the right answer
  r1: ["#def0e7", "#17301f"],
  r2: ["#b7dfcb", "#1d4a36"],
  r3: ["#83c7a8", "#226b4e"],
  r4: ["#46a781", "#2f9470"],
  r5: ["#15835c", "#54bf97"],
  r6: ["#005a3c", "#a5ecd0"],
};

const SANS = 'ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

export const FONT = "var(--sans)";

const variables = (which: 0 | 1) =>
  Object.entries(COLOURS)
    .map(([name, colours]) => `--${name}:${colours[which]}`)
    .join(";");

/** The variables for light and dark; what is printed is light. */
export const themeCss = () => `:root{--sans:${SANS};color-scheme:light dark;${variables(0)}}
@media screen and (prefers-color-scheme:dark){:root{${variables(1)}}}`;

/** Methods that have a colour of their own; others take those that are left. */
const OWN: Record<string, string> = {
  base: "base",
  none: "s1",
  ucb: "s2",
  "ucb-mean": "s3",
  "ucb-con": "s4",
  batch: "s5",
  "ucb-con,batch": "s6",
};

export interface Ink {
  /** A CSS colour. */
  colour: string;
  /** Lengths of dash and gap; none is a whole line. */
  dash: number[];
}

/** A colour for each name, the same for a method wherever it is drawn; dashes where colours run out. */
export function inksFor(names: readonly string[]): Map<string, Ink> {
  const taken = new Set(names.map((name) => OWN[name]).filter(Boolean));
  const free = ["s1", "s4", "s5", "s2", "s6", "s3"].filter((name) => !taken.has(name));
  const inks = new Map<string, Ink>();
  let next = 0;
  for (const name of names) {
    if (OWN[name]) {
      inks.set(name, { colour: `var(--${OWN[name]})`, dash: name === "base" ? [5, 3] : [] });
      continue;
    }
    const round = Math.floor(next / Math.max(1, free.length));
    const colour = free.length > 0 ? free[next % free.length] : `s${(next % 6) + 1}`;
    const dash =
      free.length === 0 || round > 0
        ? [
            [7, 2],
            [2, 2],
            [7, 2, 2, 2],
          ][next % 3]
        : [];
    inks.set(name, { colour: `var(--${colour})`, dash });
    next++;
  }
  return inks;
}
