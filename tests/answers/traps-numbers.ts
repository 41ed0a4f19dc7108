/** Traps among numbers: digits, fractions, percentages, arithmetic that is left to do. */
import type { Random } from "../../lib/random.ts";
import type { Make } from "./trap.ts";

/** A whole number from low to high. */
export const between = (random: Random, low: number, high: number): number =>
  low + random.int(high - low + 1);
/** Not zero, of either sign. */
export const nonzero = (random: Random, high: number): number =>
  (random.chance(0.5) ? 1 : -1) * between(random, 1, high);
export const signed = (n: number): string => (n < 0 ? `${n}` : `+${n}`);
const commas = (n: number) => n.toLocaleString("en");
const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b));

const integer: Make = (random) => {
  const n = nonzero(random, random.chance(0.5) ? 99 : 9_999_999);
  const digits = `${Math.abs(n)}`;
  const a = between(random, 2, 50);
  const dropped = digits.slice(0, -1);
  return {
    gold: `${n}`,
    equal: [
      `${n}.0`,
      `\\text{${n}}`,
      `\\frac{${2 * n}}{2}`,
      commas(n),
      commas(n).replaceAll(",", "{,}"),
      commas(n).replaceAll(",", ",\\!"),
      commas(n).replaceAll(",", ", \\! "),
      `x=${n}`,
      `${n} apples`,
      `\\$${n}`,
      `${n}\\text{ cm}`,
      `"${n}"`,
      `\`${n}\``,
      `${n},`,
      `n = ${n}`,
      `{\\bf ${n}}`,
      `\\textnormal{${n}}`,
      `\\color{red}{${n}}`,
      `${n} m`,
      `\\mathbf{${n}}`,
      `USD ${n}`,
      `${n} (apples)`,
    ].filter((text) => n > 0 || !/[$]|USD|\{,\}$/.test(text)),
    different: [
      `${n + 1}`,
      `${n - 1}`,
      `${-n}`,
      `${n}0`,
      `${n / 10}`,
      `${n}.5`,
      `${n}\\%`,
      `${a}+${n - a}`,
      `${n + a}-${a}`,
      `${n - a} + ${a}`,
      `(${n}, ${n})`,
      `${n}, ${n + 1}`,
      `${n} or more`,
      `${n} tenths`,
      `${n} dozen`,
      `${n}x`,
      `x>${n}`,
      `${n}:1`,
      `${n}^2`,
      `1\\times${n}`,
      `${n}_{8}`,
      `\\sqrt{${digits}}`,
      `${n}\\text{ less than }x`,
      `-(${n})`,
      `${n}!`,
      `${n}\\pi`,
      `f(${n})`,
      `${n}i`,
      `${n} percent`,
      ...(dropped ? [`${n < 0 ? "-" : ""}${dropped}`] : []),
    ].filter((text) => text !== `${n}` && !(Math.abs(n) <= 2 && /[!^]|sqrt/.test(text))),
  };
};

const product: Make = (random) => {
  const factors = Array.from({ length: between(random, 2, 4) }, () => between(random, 2, 60));
  const value = factors.reduce((a, b) => a * b, 1);
  const shuffled = random.shuffle([...factors]);
  return {
    gold: factors.join(" \\cdot "),
    equal: [shuffled.join("*"), shuffled.join(" × "), shuffled.join("\\times ")],
    different: [
      `${value}`,
      [...factors, 1].join("*"),
      factors.join("+"),
      [factors[0] + 1, ...factors.slice(1)].join("*"),
      factors.join(","),
    ],
  };
};

/** The question copied. */
const copied: Make = (random) => {
  const terms = Array.from({ length: between(random, 2, 5) }, () => between(random, 1, 999));
  const signs = terms.map((_, i) => (i > 0 && random.chance(0.5) ? -1 : 1));
  const value = terms.reduce((sum, term, i) => sum + signs[i] * term, 0);
  const [a, b] = [between(random, 2, 99), between(random, 2, 99)];
  const sum = terms
    .map((term, i) => `${i === 0 ? "" : signs[i] < 0 ? " - " : " + "}${term}`)
    .join("");
  return random.pick([
    {
      gold: `${value}`,
      equal: [`${value}.0`],
      different: [sum, sum.replaceAll(" ", ""), `(${sum})`, `(${sum}) * 1`],
    },
    {
      gold: `${a * b}`,
      equal: [commas(a * b)],
      different: [
        `${a}*${b}`,
        `${a} \\times ${b}`,
        `${a}(${b})`,
        `\\frac{${a * b * b}}{${a}}\\cdot${a}/${b}`,
      ],
    },
    {
      gold: `${gcd(a, b)}`,
      equal: [`${gcd(a, b)}.`],
      different: [`\\gcd(${a},${b})`, `gcd(${a}, ${b})`],
    },
    {
      gold: `${(a * b) / gcd(a, b)}`,
      equal: [commas((a * b) / gcd(a, b))],
      different: [`\\operatorname{lcm}(${a},${b})`, `lcm(${a}, ${b})`],
    },
  ]);
};

const fraction: Make = (random) => {
  const q = between(random, 2, 99);
  let p = nonzero(random, 200);
  while (gcd(p, q) !== 1) p++;
  const [sign, size, k] = [p < 0 ? "-" : "", Math.abs(p), between(random, 2, 9)];
  const [whole, rest] = [Math.floor(size / q), size % q];
  return {
    gold: `${sign}\\frac{${size}}{${q}}`,
    equal: [
      `${p}/${q}`,
      `\\dfrac{${p * k}}{${q * k}}`,
      `\\frac{${-p}}{${-q}}`,
      `${p} / ${q}`,
      `\\tfrac{${p}}{${q}}`,
      `${size * (p < 0 ? -1 : 1)}\\over${q}`,
      ...(whole > 0
        ? [`${sign}${whole}\\frac{${rest}}{${q}}`, `${sign}${whole} ${rest}/${q}`]
        : []),
    ],
    different: [
      `\\frac{${q}}{${p}}`,
      `\\frac{${p + 1}}{${q}}`,
      `\\frac{${p}}{${q + 1}}`,
      `${-p}/${q}`,
      (p / q).toFixed(5),
      `${p}:${q}`,
      `${p},${q}`,
      `(${p},${q})`,
      `\\frac{${p}}{${q}}x`,
      `${p}-${q}`,
      `\\frac{${p}}{${q}}\\%`,
      `${p}${q}`,
      `\\frac{${p}}{2}\\cdot\\frac{2}{${q}}`,
      `${sign}${whole + 1}\\frac{${rest}}{${q}}`,
    ].filter((text) => Number(text) !== p / q && size !== q),
  };
};

const decimal: Make = (random) => {
  const digits = between(random, 1, 6);
  const n = between(random, 1, 10 ** digits - 1) * 10 + between(random, 1, 9);
  const value = (n / 10 ** (digits + 1)).toFixed(digits + 1);
  const part = value.slice(value.indexOf(".") + 1);
  return {
    gold: value,
    equal: [
      `${value}0`,
      value.replace(/^0/, ""),
      `\\frac{${n}}{${10 ** (digits + 1)}}`,
      `${n}\\times10^{-${digits + 1}}`,
      value.replace(".", "{,}"),
      `${n}e-${digits + 1}`,
    ].filter((text) => !/\d\{,\}\d{3}$/.test(text) || text.startsWith("0{")),
    different: [
      `${value}1`,
      value.slice(0, -1),
      `-${value}`,
      `0.\\overline{${part}}`,
      value.replace(".", ""),
      `${value}\\%`,
      `1${value}`,
      value.replace(".", ":"),
      `${value}...`,
    ],
  };
};

const percent: Make = (random) => {
  const n = between(random, 1, 150);
  return {
    gold: `${n}\\%`,
    equal: [
      `${n}%`,
      `${n} percent`,
      `${n}\\text{ percent}`,
      `${n / 100}`,
      `\\frac{${n}}{100}`,
      `${n} \\%`,
      `${n} pct`,
    ],
    different: [
      `${n}`,
      `${n + 1}\\%`,
      `${n / 10}\\%`,
      `-${n}\\%`,
      `${n}\\text{ percent more}`,
      `${n}^\\circ`,
      `${n / 10}`,
    ],
  };
};

export const NUMBERS: Record<string, Make> = {
  integer,
  product,
  copied,
  fraction,
  decimal,
  percent,
};
