/** Random answers for tests and for the long fuzz in bench/. */
import type { Random } from "../../lib/random.ts";

/** Time that the processor has spent on this program, all threads together: a busy machine does not count. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const LETTERS = ["x", "y", "a"];

/** A product of two linear factors, the same expanded in another order, and one with a changed term. */
export function polynomial(
  random: Random,
): [factored: string, expanded: string, perturbed: string] {
  const [u, v] = random.shuffle([...LETTERS]);
  const nonzero = () => (random.chance(0.5) ? 1 : -1) * (1 + random.int(9));
  const [a, b, c, d] = [nonzero(), nonzero(), nonzero(), nonzero()];
  const q = 2 + random.int(7);
  const factored = `\\frac{(${a}${u}${signed(b)})(${c}${v}${signed(d)})}{${q}}`;
  const terms = [
    [a * c, `${v}${u}`],
    [a * d, u],
    [b * c, v],
    [b * d, ""],
  ] as const;
  const write = (list: readonly (readonly [number, string])[]) =>
    list.map(([n, s]) => `${n < 0 ? "-" : "+"}\\frac{${Math.abs(n)}}{${q}}${s}`).join("");
  const expanded = write(random.shuffle([...terms]));
  const changed = random.int(4);
  const perturbed = write(terms.map(([n, s], i) => [i === changed ? n + 1 : n, s] as const));
  return [factored, expanded, perturbed];
}

/** A number p/q + (r/s) sqrt(c) in several spellings, and some numbers beside it. */
export function surd(random: Random): { equal: string[]; different: string[] } {
  const nonzero = () => (random.chance(0.5) ? 1 : -1) * (1 + random.int(9));
  const [p, r, s] = [nonzero(), nonzero(), 1 + random.int(9)];
  const c = random.pick([2, 3, 5, 6, 7, 10]);
  const k = 2 + random.int(4);
  const root = `\\frac{${r}}{${s}}\\sqrt{${c}}`;
  // 1 / (p + q sqrt c) with its denominator freed of the root
  const norm = p * p * s * s - r * r * c;
  return {
    equal: [
      `${p}+${root}`,
      `${root}${signed(p)}`,
      `\\frac{${p * s}${signed(r)}\\sqrt{${c}}}{${s}}`,
      `\\dfrac{${p * s * k}${signed(r)}\\sqrt{${c * k * k}}}{${s * k}}`,
      `${p}${signed(r)}*sqrt(${c})/${s}`,
      `\\frac{${norm}}{${s}\\left(${p * s}${signed(-r)}\\sqrt{${c}}\\right)}`,
      `(${p * s}${signed(r)}\\cdot ${c}^{1/2})/${s}`,
    ],
    different: [
      `${p}-${root}`,
      `${p + 1}+${root}`,
      `${p}+\\frac{${r}}{${s}}\\sqrt{${c + 1}}`,
      `${p}+\\frac{${r}}{${s + 1}}\\sqrt{${c}}`,
      (p + (r / s) * Math.sqrt(c)).toFixed(6),
    ],
  };
}

const signed = (n: number) => (n < 0 ? `${n}` : `+${n}`);

/** The same formula as somebody else would set it. */
export function retypeset(random: Random, text: string): string {
  const styles = [
    (t: string) => t.replaceAll("\\frac", "\\dfrac"),
    (t: string) => `$${t}$`,
    (t: string) => t.replaceAll("+", " + ").replaceAll("-", " - "),
    (t: string) => `\\left(${t}\\right)`,
    (t: string) => t.replace(/\\frac\{(\d+)\}\{(\d+)\}/g, "($1/$2)"),
    (t: string) => t.replaceAll("-", "\u2212"),
    (t: string) => `\\boxed{${t}}`,
  ];
  return random.pick(styles)(text);
}

const PIECES = (
  "\\frac \\sqrt \\boxed{ \\text{ { } ( ) [ ] ^ _ , ; + - * / = < > | ! % $ & \\\\ \\pm \\cup \\pi \\infty " +
  "\\left \\right \\begin{pmatrix} \\end{pmatrix} \\{ \\} sin ln e i x y 0 1 9 12 . .. 1e9 \\% ^\\circ and or cm"
).split(" ");

/** Random bytes, random pieces of LaTeX, or an answer with characters changed, doubled and lost. */
export function hostileAnswer(random: Random, answers: readonly string[]): string {
  const kind = random.int(3);
  if (kind === 0) {
    return String.fromCharCode(...Array.from({ length: random.int(60) }, () => random.int(256)));
  }
  if (kind === 1) {
    return Array.from({ length: random.int(40) }, () => random.pick(PIECES)).join("");
  }
  let text = random.pick(answers);
  for (let edits = 1 + random.int(4); edits > 0; edits--) {
    const at = random.int(text.length + 1);
    const piece = random.chance(0.5) ? random.pick(PIECES) : text.slice(at, at + random.int(12));
    text = text.slice(0, at) + piece.repeat(random.int(3)) + text.slice(at + random.int(3));
  }
  return text;
}
