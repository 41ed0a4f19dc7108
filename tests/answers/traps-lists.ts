/** Traps among several values: lists, pairs, sets, solutions, matrices, ratios. */
import type { Make } from "./trap.ts";
import { between, nonzero } from "./traps-numbers.ts";

const distinct = (random: Parameters<Make>[0], n: number, high = 30): number[] => {
  const values = new Set<number>();
  while (values.size < n) values.add(nonzero(random, high));
  return [...values];
};

const list: Make = (random) => {
  const items = distinct(random, between(random, 2, 5));
  const shuffled = random.shuffle([...items]);
  const [first, ...rest] = items;
  return {
    gold: items.join(", "),
    equal: [
      shuffled.join(", "),
      `\\{${shuffled.join(",")}\\}`,
      shuffled.map((n) => `x=${n}`).join(", "),
      `${shuffled.slice(0, -1).join(", ")} and ${shuffled.at(-1)}`,
      shuffled.join("; "),
      shuffled.map((n) => `x=${n}`).join("\\text{ or }"),
      `x=${shuffled.join(",")}`,
    ],
    different: [
      rest.join(", "),
      [...items, first].join(", "),
      [...items, 31].join(", "),
      [first + 60, ...rest].join(", "),
      `(${items.join(",")})`,
      [-first + 100, ...rest].join(", "),
      items.join(""),
      items.join("+"),
      `[${items.join(",")}]`,
      `${items.reduce((a, b) => a + b, 0)}`,
    ],
  };
};

const repeated: Make = (random) => {
  const [a, b] = distinct(random, 2);
  return {
    gold: `${a},${a},${b}`,
    equal: [`${a}, ${b}, ${a}`, `${b},${a},${a}`],
    different: [
      `${a},${b},${b}`,
      `${a},${b}`,
      `${a},${a},${a}`,
      `${a},${a},${b},${b}`,
      `\\{${a},${b}\\}`,
    ],
  };
};

const tuple: Make = (random) => {
  const items = distinct(random, between(random, 2, 4));
  const [first, second, ...rest] = items;
  return {
    gold: `(${items.join(",")})`,
    equal: [
      `(${items.join(", ")})`,
      `\\left(${items.join(",")}\\right)`,
      `\\langle ${items.join(",")}\\rangle`,
      `P(${items.join(", -0+")})`.replaceAll("-0+", ""),
      `(${items.map((n) => `${n}.0`).join(",")})`,
    ].filter((text) => !text.startsWith("P")),
    different: [
      `(${[second, first, ...rest].join(",")})`,
      `(${items.slice(1).join(",")})`,
      `(${[first + 1, second, ...rest].join(",")})`,
      `\\{${items.join(",")}\\}`,
      items.join(","),
      `(${items.join(",")},0)`,
      `(${[-first, second, ...rest].join(",")})`,
      `(${first}-1+1,${[second, ...rest].join(",")})`,
    ],
  };
};

const named: Make = (random) => {
  const [a, b] = distinct(random, 2);
  return random.pick([
    {
      gold: `x=${a},y=${b}`,
      equal: [
        `y=${b}, x=${a}`,
        `(${a},${b})`,
        `(x,y)=(${a},${b})`,
        `x=${a}\\text{ and }y=${b}`,
        `\\begin{cases}x=${a}\\\\y=${b}\\end{cases}`,
        `2x=${2 * a}, y=${b}`,
      ],
      different: [
        `x=${b},y=${a}`,
        `(${b},${a})`,
        `x=${a}`,
        `x=${a}, x=${b}`,
        `x=${a},y=${b + 1}`,
        `${a},${b}`,
        `x=y=${a}`,
      ],
    },
    {
      gold: `\\alpha=${a},\\beta=${b}`,
      equal: [`\\beta=${b}, \\alpha=${a}`],
      different: [`\\alpha=${b},\\beta=${a}`, `\\alpha=${a}`, `\\{${a},${b}\\}`],
    },
    {
      gold: `x_1=${a},y_1=${b}`,
      equal: [`y_1=${b}, x_1=${a}`],
      different: [`x_1=${b},y_1=${a}`, `x_1=${a}`],
    },
    {
      gold: `f(1)=${a}, f(2)=${b}`,
      equal: [`f(2)=${b}, f(1)=${a}`],
      different: [`f(1)=${b}, f(2)=${a}`, `${a},${b}`, `f(1)=${a}`, `f(2)=${a}, f(3)=${b}`],
    },
    {
      gold: `a_1=${a}, a_2=${b}`,
      equal: [`a_2=${b}, a_1=${a}`],
      different: [`a_1=${b}, a_2=${a}`, `a_1=${a}`],
    },
    {
      gold: `x=y=${a}, z=${b}`,
      equal: [`x=${a}, y=${a}, z=${b}`, `z=${b}, x=y=${a}`],
      different: [`x=${a}, y=z=${b}`, `x=${a},z=${b}`],
    },
    {
      gold: `2x=${2 * a}, 3y=${3 * b}`,
      equal: [`x=${a}, y=${b}`],
      different: [`2x=${2 * b}, 3y=${3 * a}`, `2x=${2 * a}`],
    },
    {
      gold: `AB=${a}, CD=${b}`,
      equal: [`CD=${b}, AB=${a}`],
      different: [`AB=${b}, CD=${a}`, `AB=${a}`],
    },
  ]);
};

const solutions: Make = (random) => {
  const [a, b, c, d] = distinct(random, 4);
  return {
    gold: `(${a},${b}),(${c},${d})`,
    equal: [
      `(${c},${d}),(${a},${b})`,
      `x=${a},y=${b}\\text{ or }x=${c},y=${d}`,
      `x=${c},y=${d}; x=${a},y=${b}`,
      `\\{(${a},${b}),(${c},${d})\\}`,
      `(x,y)=(${a},${b}),(${c},${d})`,
      `(${a},${b})\\text{ and }(${c},${d})`,
    ],
    different: [
      `(${a},${d}),(${c},${b})`,
      `(${b},${a}),(${c},${d})`,
      `(${a},${b})`,
      `x=${a},y=${d}\\text{ or }x=${c},y=${b}`,
      `(${a},${b},${c},${d})`,
      `${a},${b},${c},${d}`,
      `x=${a},y=${a}\\text{ or }x=${c},y=${d}`,
    ],
  };
};

const plusMinus: Make = (random) => {
  const [a, b] = [nonzero(random, 9), between(random, 1, 9)];
  return {
    gold: `${a}\\pm\\sqrt{${b * b + 1}}`,
    equal: [
      `${a}+\\sqrt{${b * b + 1}}, ${a}-\\sqrt{${b * b + 1}}`,
      `${a}\\mp\\sqrt{${b * b + 1}}`,
      `x=${a}\\pm\\sqrt{${b * b + 1}}`,
      `${a} ± \\sqrt{${b * b + 1}}`,
      `${a}+/-\\sqrt{${b * b + 1}}`,
    ],
    different: [
      `${a}+\\sqrt{${b * b + 1}}`,
      `${a + 1}\\pm\\sqrt{${b * b + 1}}`,
      `\\pm${Math.abs(a)}+\\sqrt{${b * b + 1}}`,
      `${a}\\pm\\sqrt{${b * b + 2}}`,
      `${a}\\pm${b}`,
    ],
  };
};

const matrix: Make = (random) => {
  const [a, b, c, d] = distinct(random, 4);
  const write = (rows: number[][], kind = "pmatrix") =>
    `\\begin{${kind}}${rows.map((row) => row.join("&")).join("\\\\")}\\end{${kind}}`;
  return {
    gold: write([
      [a, b],
      [c, d],
    ]),
    equal: [
      write(
        [
          [a, b],
          [c, d],
        ],
        "bmatrix",
      ),
      `[[${a},${b}],[${c},${d}]]`,
      `\\left(\\begin{array}{cc}${a}&${b}\\\\${c}&${d}\\end{array}\\right)`,
    ],
    different: [
      write([
        [a, c],
        [b, d],
      ]),
      write([
        [c, d],
        [a, b],
      ]),
      write([[a, b, c, d]]),
      write([
        [a, b],
        [c, d + 1],
      ]),
      write([[a, b]]),
      `(${a},${b},${c},${d})`,
      `${a * d - b * c}`,
      write(
        [
          [a, b],
          [c, d],
        ],
        "vmatrix",
      ),
    ],
  };
};

const ratio: Make = (random) => {
  const [a, b] = [between(random, 1, 9), between(random, 10, 30)];
  return {
    gold: `${a}:${b}`,
    equal: [
      `${a} : ${b}`,
      `${a}\\text{ to }${b}`,
      `${a}\\colon ${b}`,
      `V_1:V_2=${a}:${b}`,
      `AB:CD=${a}:${b}`,
    ],
    different: [
      `${b}:${a}`,
      `${a}:${b + 1}`,
      `\\frac{${a}}{${b}}`,
      `${a}${b}`,
      `${a},${b}`,
      `${a}:${b}:1`,
      `${2 * a}:${2 * b}`,
      `${a}-${b}`,
      `(${a},${b})`,
    ],
  };
};

export const LISTS: Record<string, Make> = {
  list,
  repeated,
  tuple,
  named,
  solutions,
  "plus-minus": plusMinus,
  matrix,
  ratio,
};
