/** Traps among surds, closed forms, complex numbers and numbers in other bases. */
import type { Make } from "./trap.ts";
import { between, nonzero, signed } from "./traps-numbers.ts";

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

export const CLOSED: Record<string, Make> = { surd, "closed form": closed, complex, literal };
