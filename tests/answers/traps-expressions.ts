/** Traps among expressions, functions, equations and inequalities. */
import type { Make } from "./trap.ts";
import { between, nonzero, signed } from "./traps-numbers.ts";

const polynomial: Make = (random) => {
  const x = random.pick(["x", "y", "t", "n", "a"]);
  const [a, b, c] = [nonzero(random, 9), nonzero(random, 9), nonzero(random, 9)];
  const write = (p: number, q: number, r: number, v = x) =>
    `${p}${v}^2${signed(q)}${v}${signed(r)}`;
  const other = x === "x" ? "y" : "x";
  return {
    gold: write(a, b, c),
    equal: [
      `${c}${signed(b)}${x}${signed(a)}${x}^{2}`,
      `${x}(${a}${x}${signed(b)})${signed(c)}`,
      `${a}*${x}**2${signed(b)}*${x}${signed(c)}`,
      `-(${write(-a, -b, -c)})`,
      `${a}${x}²${signed(b)}${x}${signed(c)}`,
      `\\frac{${write(2 * a, 2 * b, 2 * c)}}{2}`,
    ],
    different: [
      write(a + 1 || 2, b, c),
      write(a, b + 1, c),
      write(a, b, c + 1),
      write(-a, -b, -c),
      write(a, b, c, other),
      `${a}${x}^3${signed(b)}${x}${signed(c)}`,
      `${a}${x}${signed(b)}${x}${signed(c)}`,
      `${write(a, b, c)}=0`,
      `${a}|${x}|^2${signed(b)}|${x}|${signed(c)}`,
      `${a + b + c}`,
      `f(${write(a, b, c)})`,
      `(${a},${b},${c})`,
      `\\{${write(a, b, c)}, 0\\}`,
      `y=${write(a, b, c)}`,
    ],
  };
};

const roots: Make = (random) => {
  const [a, k] = [between(random, 1, 9), between(random, 2, 5)];
  const x = random.pick(["x", "y", "t"]);
  return random.pick([
    {
      gold: `\\sqrt{${x}^2}`,
      equal: [`|${x}|`, `\\left|${x}\\right|`, `\\lvert ${x}\\rvert`],
      different: [x, `-${x}`, `${x}^2`, `\\sqrt{${x}}`],
    },
    {
      gold: `|${x}${signed(-a)}|`,
      equal: [`|${a}-${x}|`, `\\sqrt{(${x}${signed(-a)})^2}`],
      different: [`${x}${signed(-a)}`, `${a}-${x}`, `|${x}|${signed(-a)}`, `|${x}${signed(a)}|`],
    },
    {
      gold: `\\ln ${x}^2`,
      equal: [`\\ln(${x}^2)`, `\\ln(${x}\\cdot ${x})`],
      different: [`2\\ln ${x}`, `\\ln ${x}`, `(\\ln ${x})^2`, `\\ln(${x}+2)`],
    },
    {
      gold: `\\frac{${a}}{${x}${signed(k)}}`,
      equal: [
        `${a}/(${x}+${k})`,
        `\\frac{${2 * a}}{2${x}${signed(2 * k)}}`,
        `${a}(${x}+${k})^{-1}`,
      ],
      different: [
        `\\frac{${a}}{${x}}${signed(k)}`,
        `\\frac{${x}${signed(k)}}{${a}}`,
        `\\frac{${a}}{${x}${signed(-k)}}`,
        `${a}/${x}+${k}`,
        `\\frac{${a}${x}}{${x}${signed(k)}}`,
      ],
    },
    {
      gold: `${k}^{${x}}`,
      equal: [`${k}^${x}`, `${k}\\cdot ${k}^{${x}-1}`],
      different: [`${x}^{${k}}`, `${k}${x}`, `${k + 1}^{${x}}`, `${k}^{-${x}}`, `${k}^{${x}+1}`],
    },
    {
      gold: `\\sin ${k}${x}`,
      equal: [`\\sin(${k}${x})`, `\\sin{${k}${x}}`, `-\\sin(-${k}${x})`],
      different: [
        `${k}\\sin ${x}`,
        `\\cos ${k}${x}`,
        `\\sin ${k + 1}${x}`,
        `\\sin(-${k}${x})`,
        `\\sin ${x}^${k}`,
      ],
    },
    {
      gold: `\\frac{${x}^2}{${k}}+C`,
      equal: [`\\frac{1}{${k}}${x}^2+C`, `C+${x}^2/${k}`, `\\frac{${x}^2}{${k}}+c`],
      different: [
        `\\frac{${x}^2}{${k}}`,
        `\\frac{${x}^2}{${k}}-C`,
        `\\frac{${x}^2}{${k}}+2C`,
        `\\frac{${x}^2}{${k}}+${a}`,
        `\\frac{C${x}^2}{${k}}`,
      ],
    },
    {
      gold: `${x}+10^{-40}`,
      equal: [`10^{-40}+${x}`],
      different: [x, `${x}+10^{-41}`, `${x}-10^{-40}`],
    },
  ]);
};

const application: Make = (random) => {
  const f = random.pick(["f", "g", "h"]);
  const a = between(random, 2, 9);
  return random.pick([
    {
      gold: `${f}(-x)`,
      equal: [`${f}(0-x)`, `${f}\\left(-x\\right)`, `${f}( -x )`],
      different: [`-${f}(x)`, `${f}(x)`, `-${f}x`, `${f}(-y)`, `${f}(-2x)`],
    },
    {
      gold: `${f}(${a}x)`,
      equal: [`${f}(x\\cdot${a})`, `${f}(${a} x)`],
      different: [`${a}${f}(x)`, `${f}(x)^${a}`, `${f}(${a}+x)`, `${a}${f}x`, `${a}x`],
    },
    {
      gold: `${f}(x+${a})`,
      equal: [`${f}(${a}+x)`],
      different: [`${f}(x)+${f}(${a})`, `${f}(x)+${a}`, `${f}x+${a}${f}`, `${f}(x-${a})`],
    },
    {
      gold: `${f}(${f}(x))`,
      equal: [`${f}\\left(${f}(x)\\right)`],
      different: [`${f}^2x`, `${f}(x)^2`, `${f}(x)`, `${f}(x)\\cdot ${f}(x)`],
    },
    {
      gold: `${f}(0)`,
      equal: [`${f}\\left(0\\right)`, `${f}(0.0)`],
      different: ["0", `${f}(1)`, `0${f}`, f],
    },
    {
      gold: `y(0)e^{-${a}t}`,
      equal: [`e^{-${a}t}y(0)`, `y(0)\\cdot e^{-${a} t}`],
      different: ["0", `y(0)`, `e^{-${a}t}`, `y(1)e^{-${a}t}`, `y(0)e^{${a}t}`],
    },
    {
      gold: `${f}'(${a})`,
      equal: [`${f}^{\\prime}(${a})`],
      different: [`${f}(${a})`, `${f}''(${a})`, `${a}${f}'`, `${f}'(${a + 1})`],
    },
    {
      gold: `\\frac{dy}{dx}=${a}x`,
      equal: [`\\frac{dy}{dx} = ${a} x`, `y'=${a}x`, `${a}x`],
      different: [`\\frac{dx}{dy}=${a}x`, `\\frac{y}{x}=${a}x`, `\\frac{dy}{dx}=${a + 1}x`],
    },
    {
      gold: `C(${a + 3},${a})`,
      equal: [`C(${a + 3}, ${a})`],
      different: [`P(${a + 3},${a})`, `(${a + 3},${a})`, `C(${a + 4},${a})`],
    },
  ]);
};

const equation: Make = (random) => {
  const [a, b, c] = [nonzero(random, 9), nonzero(random, 9), nonzero(random, 9)];
  return {
    gold: `${a}x${signed(b)}y=${c}`,
    equal: [
      `${b}y${signed(a)}x=${c}`,
      `${a}x${signed(b)}y${signed(-c)}=0`,
      `${2 * a}x${signed(2 * b)}y=${2 * c}`,
      `y=\\frac{${c}${signed(-a)}x}{${b}}`,
      `${c}=${a}x${signed(b)}y`,
      `${-a}x${signed(-b)}y=${-c}`,
    ],
    different: [
      `${a}x${signed(-b)}y=${c}`,
      `${a}x${signed(b)}y=${c + 1}`,
      `${a}x${signed(b)}y`,
      `${a}x${signed(b)}y\\le${c}`,
      `${a}x${signed(b)}y\\ne${c}`,
      `${a}y${signed(b)}x=${c + 20}`,
      `${c}`,
      `${a}x${signed(b)}z=${c}`,
      `\\frac{${c}${signed(-a)}x}{${b}}`,
      `${a}x${signed(b)}y>${c}`,
    ],
  };
};

const identity: Make = (random) => {
  const [a, b] = random.pick([
    ["a", "b"],
    ["x", "y"],
    ["p", "q"],
  ]);
  const k = between(random, 2, 4);
  return random.pick([
    {
      gold: `(${a}+${b})^2=${a}^2+2${a}${b}+${b}^2`,
      equal: [`(${a}+${b})^2 = ${a}^2 + 2${a}${b} + ${b}^2`],
      different: ["0", `(${a}-${b})^2=${a}^2-2${a}${b}+${b}^2`, `${a}=${a}`, `0=0`, "1=1"],
    },
    {
      gold: `${a}${b}=${b}${a}`,
      equal: [`${a}${b} = ${b}${a}`],
      different: [`${a}=${a}`, `${b}=${b}`, "0", `${a}+${b}=${b}+${a}`],
    },
    {
      gold: `\\sin^2 ${a}+\\cos^2 ${a}=1`,
      equal: [`\\sin^2 ${a} + \\cos^2 ${a} = 1`],
      different: ["1", "0", `${a}=${a}`, `\\sin ${a}+\\cos ${a}=1`],
    },
    {
      gold: `${k}${a}=${a}`,
      equal: [`${k} ${a} = ${a}`],
      different: [`${a}=${a}`, `${k}${b}=1`, `${k + 5}${a}=3`],
    },
  ]);
};

const inequality: Make = (random) => {
  const a = nonzero(random, 20);
  const b = a + between(random, 1, 20);
  return random.pick([
    {
      gold: `x>${a}`,
      equal: [
        `(${a},\\infty)`,
        `${a}<x`,
        `x \\in (${a},\\infty)`,
        `2x>${2 * a}`,
        `]${a},\\infty[`,
        `\\{x : x > ${a}\\}`,
      ],
      different: [
        `x\\ge${a}`,
        `x<${a}`,
        `x>${b}`,
        `${a}`,
        `x=${a}`,
        `[${a},\\infty)`,
        `x\\ne${a}`,
        `-x>${a + 50}`,
      ],
    },
    {
      gold: `[${a},${b})`,
      equal: [
        `${a}\\le x<${b}`,
        `[${a}, ${b})`,
        `[${a},${b}[`,
        `\\left[${a},${b}\\right)`,
        `${b}>x\\ge${a}`,
        `x\\ge${a}\\text{ and }x<${b}`,
      ],
      different: [
        `(${a},${b})`,
        `[${a},${b}]`,
        `(${a},${b}]`,
        `[${a},${b + 1})`,
        `[${b},${a})`,
        `\\{${a},${b}\\}`,
        `${a},${b}`,
        `x\\ge${a}\\text{ or }x<${b}`,
      ],
    },
    {
      gold: `(${a},${b})\\cup(${b},${b + 5})`,
      equal: [`(${b},${b + 5})\\cup(${a},${b})`, `${a}<x<${b}\\text{ or }${b}<x<${b + 5}`],
      different: [
        `(${a},${b + 5})`,
        `(${a},${b}]\\cup(${b},${b + 5})`,
        `(${a},${b})`,
        `(${a},${b})\\cap(${b},${b + 5})`,
      ],
    },
    {
      gold: `(${a},${b + 9})`,
      equal: [`(${a},${b + 2})\\cup(${b},${b + 9})`, `(${a},${b}]\\cup(${b - 1},${b + 9})`],
      different: [`(${a},${b})\\cup(${b},${b + 9})`, `[${a},${b + 9})`, `(${a},${b + 8})`],
    },
    {
      gold: `x\\ne${a}`,
      equal: [`(-\\infty,${a})\\cup(${a},\\infty)`, `x\\neq ${a}`, `x<${a}\\text{ or }x>${a}`],
      different: [`x=${a}`, `${a}`, `x\\ne${b}`, `(-\\infty,\\infty)`, `x>${a}`],
    },
  ]);
};

export const EXPRESSIONS: Record<string, Make> = {
  polynomial,
  roots,
  application,
  equation,
  identity,
  inequality,
};
