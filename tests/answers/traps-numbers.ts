/** Traps among numbers: digits, fractions, percentages, surds, closed forms, arithmetic that is left to do. */
import type { Random } from "../../lib/random.ts";
import type { Make } from "./traps.ts";

/** A whole number from low to high. */
export const between = (random: Random, low: number, high: number): number =>
  low + random.int(high - low + 1);
/** Not zero, of either sign. */
export const nonzero = (random: Random, high: number): number =>
  (random.chance(0.5) ? 1 : -1) * between(random, 1, high);
export const signed = (n: number): string => (n < 0 ? `${n}` : `+${n}`);
const commas = (n: number) => n.toLocaleString("en");
export const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b));

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

const surd: Make = (random) => {
  const [p, r] = [nonzero(random, 12), nonzero(random, 12)];
  const c = random.pick([2, 3, 5, 6, 7, 10, 11, 13, 14, 15]);
  const k = between(random, 2, 5);
  return {
    gold: `${p}${signed(r)}\\sqrt{${c}}`,
    equal: [
      `${r}\\sqrt{${c}}${signed(p)}`,
      `${p}${r < 0 ? "-" : "+"}\\sqrt{${r * r * c}}`,
      `\\frac{${p * k}${signed(r * k)}\\sqrt{${c}}}{${k}}`,
      `${p}${signed(r)}*sqrt(${c})`,
      `${p}${signed(r)}√${c}`,
      `${p}${signed(r)}\\cdot ${c}^{1/2}`,
      `\\frac{${p * p - r * r * c}}{${p}${signed(-r)}\\sqrt{${c}}}`,
    ],
    different: [
      `${p}${signed(-r)}\\sqrt{${c}}`,
      `${p + 1}${signed(r)}\\sqrt{${c}}`,
      `${p}${signed(r)}\\sqrt{${c + 1}}`,
      `${p}${signed(r)}\\sqrt[3]{${c}}`,
      `${p + r}\\sqrt{${c}}`,
      (p + r * Math.sqrt(c)).toFixed(12),
      `${p}\\pm${Math.abs(r)}\\sqrt{${c}}`,
      `(${p},${r}\\sqrt{${c}})`,
      `${r}${signed(p)}\\sqrt{${c}}`,
      `${p}${signed(r)}\\sqrt{${c}}i`,
    ].filter((text) => text !== `${r}${signed(p)}\\sqrt{${c}}` || p !== r),
  };
};

const closed: Make = (random) => {
  const [a, b] = [between(random, 2, 40), between(random, 2, 9)];
  const n = between(random, 5, 60);
  return random.pick([
    {
      gold: `${a}\\pi`,
      equal: [`${a} π`, `\\pi\\cdot${a}`, `${a}*pi`, `\\frac{${a * b}\\pi}{${b}}`],
      different: [
        (a * Math.PI).toFixed(10),
        `${a}`,
        `${a}\\pi^2`,
        `\\frac{${a}}{\\pi}`,
        `${a + 1}\\pi`,
        `${a}e`,
        `${a}+\\pi`,
        `${b}\\cdot${a}\\pi/${b}`,
      ],
    },
    {
      gold: `e^{-${n}}`,
      equal: [`\\frac{1}{e^{${n}}}`, `exp(-${n})`, `\\exp(-${n})`],
      different: [`e^{-${n + 1}}`, `e^{${n}}`, "0", `-e^{${n}}`, `${n}e`, Math.exp(-n).toFixed(12)],
    },
    {
      gold: `\\sqrt{10^{${(n % 20) + 4}}+${a}}`,
      equal: [`\\sqrt{ 10^{${(n % 20) + 4}} + ${a} }`],
      different: [
        `10^{${((n % 20) + 4) / 2}}`,
        `\\sqrt{10^{${(n % 20) + 4}}+${a + 1}}`,
        `\\sqrt{10^{${(n % 20) + 4}}}+${a}`,
      ],
    },
    {
      gold: `\\ln ${a}`,
      equal: [
        `\\log_e ${a}`,
        `\\ln(${a})`,
        `-\\ln\\frac{1}{${a}}`,
        `ln(${a})`,
        `\\frac{1}{2}\\ln ${a * a}`,
      ],
      different: [
        `\\ln ${a + 1}`,
        Math.log(a).toFixed(9),
        `\\log_2 ${a}`,
        `\\ln(-${a})`,
        `e^{${a}}`,
        `\\ln ${a}x`,
      ],
    },
    {
      gold: `\\cos(10^{-${b}})`,
      equal: [`\\cos\\left(10^{-${b}}\\right)`, `\\cos(-10^{-${b}})`],
      different: [
        "1",
        `\\sin(10^{-${b}})`,
        `\\cos(10^{-${b + 1}})`,
        `1-\\frac{1}{2}\\cdot10^{-${2 * b}}`,
      ],
    },
    {
      gold: `2^{${900 + n * 60}}`,
      equal: [`2^${"{"}${900 + n * 60}}`, `$2^{${900 + n * 60}}$`],
      different: [
        `2^{${901 + n * 60}}`,
        `2\\cdot${900 + n * 60}`,
        `3^{${900 + n * 60}}`,
        `-2^{${900 + n * 60}}`,
      ],
    },
    {
      gold: `\\binom{${a}}{2}`,
      equal: [`${(a * (a - 1)) / 2}`, `\\dbinom{${a}}{2}`, `C_{${a}}^{2}`, `C(${a},2)`],
      different: [`\\binom{${a + 1}}{2}`, `P(${a},2)`, `(${a},2)`, `\\frac{${a}\\cdot${a - 1}}{2}`],
    },
  ]);
};

const complex: Make = (random) => {
  const [a, b] = [nonzero(random, 20), nonzero(random, 20)];
  return {
    gold: `${a}${signed(b)}i`,
    equal: [
      `${b}i${signed(a)}`,
      `${a} ${b < 0 ? "-" : "+"} ${Math.abs(b)} i`,
      `${a}${signed(b)}\\cdot i`,
      `${b}*i${signed(a)}`,
    ],
    different: [
      `${a}${signed(-b)}i`,
      `${a + 1}${signed(b)}i`,
      `${a + b}i`,
      `(${a},${b})`,
      `${a}${signed(b)}`,
      `${a}${signed(b)}j`,
      `(${a}+1)${signed(b)}i-1`,
      `${b}${signed(a)}i`,
      `${a}\\pm${Math.abs(b)}i`,
    ].filter((text) => text !== `${b}${signed(a)}i` || a !== b),
  };
};

const literal: Make = (random) => {
  const n = between(random, 16, 65535);
  const base = between(random, 2, 8);
  const digits = n.toString(base);
  return random.pick([
    {
      gold: `0x${n.toString(16)}`,
      equal: [
        `0x${n.toString(16).toUpperCase()}`,
        `${n}`,
        `0b${n.toString(2)}`,
        `0o${n.toString(8)}`,
        `0x0${n.toString(16)}`,
      ],
      different: [
        "0",
        `0x${(n + 1).toString(16)}`,
        `0b${(n - 1).toString(2)}`,
        `${n + 1}`,
        `0x${n}`,
        `0x${n.toString(16)}0`,
        `-0x${n.toString(16)}`,
      ],
    },
    {
      gold: `${digits}_${base}`,
      equal: [
        `${digits}_{${base}}`,
        `(${digits})_{${base}}`,
        `${digits}_{(${base})}`,
        `${digits} base ${base}`,
        `${digits}\\text{ (base }${base})`,
      ],
      different: [
        `${digits}_${base + 1}`,
        digits,
        `${n}`,
        `${(n + 1).toString(base)}_${base}`,
        `${digits}0_${base}`,
        `${[...digits].reverse().join("")}1_${base}`,
      ],
    },
  ]);
};

export const NUMBERS: Record<string, Make> = {
  integer,
  product,
  copied,
  fraction,
  decimal,
  percent,
  surd,
  "closed form": closed,
  complex,
  literal,
};
