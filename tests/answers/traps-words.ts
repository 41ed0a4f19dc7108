/** Traps among words: strings, dates, times, ranges, units, qualified numbers, options. */
import type { Make } from "./trap.ts";
import { between } from "./traps-numbers.ts";

const changed = (random: Parameters<Make>[0], text: string): string[] => {
  const letters = [...text];
  const i = random.int(letters.length - 1);
  const swapped = [...letters];
  [swapped[i], swapped[i + 1]] = [swapped[i + 1], swapped[i]];
  return [
    swapped.join(""),
    letters.slice(1).join(""),
    `${text}${letters[0]}`,
    [...letters].reverse().join(""),
  ].filter((one) => one !== text && one.length > 1);
};

const string: Make = (random) => {
  const alphabet = random.pick(["TF", "UDLR", "ABCDE", "IVX", "lsaro", "QXZWK", "xyz", "01ab"]);
  let text = "";
  let different: string[] = [];
  while (different.length === 0) {
    text = Array.from({ length: between(random, 3, 8) }, () => random.pick([...alphabet])).join("");
    if (/\d/.test(text)) text = text.replace(/\d/g, "q");
    different = changed(random, text);
  }
  return {
    gold: text,
    equal: [`\\text{${text}}`, `\\mathrm{${text}}`, `"${text}"`, ` ${text}`],
    different,
  };
};

const word: Make = (random) => {
  const pairs = [
    ["yes", "no"],
    ["even", "odd"],
    ["true", "false"],
    ["Monday", "Tuesday"],
    ["circle", "ellipse"],
    ["no", "on"],
    ["Evelyn", "Evelina"],
    ["north", "south"],
    ["increasing", "decreasing"],
    ["rational", "irrational"],
    ["cat", "act"],
    ["acute", "obtuse"],
  ];
  const [a, b] = random.shuffle([...random.pick(pairs)]);
  const capital = `${a[0].toUpperCase()}${a.slice(1).toLowerCase()}`;
  return {
    gold: a,
    equal: [
      capital,
      a.toUpperCase(),
      a.toLowerCase(),
      `\\text{${capital}}`,
      `\\textbf{${a}}`,
      `${capital}.`,
    ],
    different: [
      b,
      b.toUpperCase(),
      `not ${a}`,
      `${a} and ${b}`,
      "0",
      "1",
      `${a} or ${b}`,
      [...a].reverse().join(""),
    ],
  };
};

const date: Make = (random) => {
  const months = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
  ];
  const [y, m, d] = [between(random, 1900, 2030), between(random, 1, 12), between(random, 1, 28)];
  const two = (n: number) => `${n}`.padStart(2, "0");
  const next = months[m % 12];
  return random.pick([
    {
      gold: `${y}-${two(m)}-${two(d)}`,
      equal: [`${months[m - 1]} ${d}, ${y}`, `${d} ${months[m - 1]} ${y}`, `${y}-${m}-${d}`],
      different: [
        `${y - m - d}`,
        `${y}-${two((m % 12) + 1)}-${two(d)}`,
        `${y}-${two(m)}-${two(d + 1)}`,
        `${y + 1}-${two(m)}-${two(d)}`,
        `${y}/${m}/${d}`,
        `${months[m - 1]} ${d}`,
      ],
    },
    {
      gold: `${months[m - 1]} ${d}`,
      equal: [
        `${d} ${months[m - 1]}`,
        `${months[m - 1].toLowerCase()} ${d}`,
        `\\text{${months[m - 1]} ${d}}`,
        `${months[m - 1]} ${d}th`,
      ],
      different: [
        `${next} ${d}`,
        `${months[m - 1]} ${d + 1}`,
        `${d}`,
        months[m - 1],
        `${months[m - 1]} ${d}, ${y}`,
      ],
    },
    {
      gold: `${two(m)}/${two(d)}/${y}`,
      equal: [`${m}/${d}/${y}`],
      different: [
        `${two(m)}/${two(d + 1)}/${y}`,
        `${two(m)}/${two(d)}/${y + 1}`,
        `${m / d / y}`,
        `${m}/${d * y}`,
      ],
    },
  ]);
};

const time: Make = (random) => {
  const [h, m] = [between(random, 1, 11), between(random, 1, 9)];
  const minutes = between(random, 10, 59);
  return random.pick([
    {
      gold: `${h}:0${m}`,
      equal: [`\\text{${h}:0${m}}`, `${`${h}`.padStart(2, "0")}:0${m}`, `${h}{:}0${m}`],
      different: [
        `${h}:${m}`,
        `${h}:${m}0`,
        `${h + 1}:0${m}`,
        `${h}0${m}`,
        `${h}.0${m}`,
        `\\frac{${h}}{${m}}`,
        `${h}:0${m} pm`,
      ],
    },
    {
      gold: `${h}:${minutes} p.m.`,
      equal: [`${h}:${minutes}\\text{ p.m.}`, `${h}:${minutes} PM`, `${h}:${minutes}pm`],
      different: [
        `${h}:${minutes} a.m.`,
        `${h + 1}:${minutes} p.m.`,
        `${h}:${minutes}`,
        `${h} p.m.`,
      ],
    },
  ]);
};

const dashed: Make = (random) => {
  const [a, b] = [between(random, 1, 60), between(random, 61, 200)];
  const phone = `555-0${between(random, 100, 999)}`;
  return random.pick([
    {
      gold: `${a}-${b}`,
      equal: [`${a}–${b}`, `\\text{${a}-${b}}`],
      different: [
        `${a + 10}-${b + 10}`,
        `${b}-${a}`,
        `${a - b}`,
        `${a}-${b}-0`,
        `${b}`,
        `${a}:${b}`,
        `${a - 1}-${b - 1}`,
      ],
    },
    {
      gold: phone,
      equal: [`\\text{${phone}}`],
      different: [`${phone}+1-1`, phone.replace("-0", "-"), `${phone}1`, phone.replace("5", "4")],
    },
  ]);
};

const qualified: Make = (random) => {
  const n = between(random, 2, 60);
  const [a, b] = random.pick([
    [`${n} or more`, `${n} or less`],
    [`${n} tenths`, `${n} hundredths`],
    [`${n} below zero`, `${n} above zero`],
    [`${n}\\text{ more than }x`, `${n}\\text{ less than }x`],
    [`${n}\\text{ times }x`, `${n}\\text{ plus }x`],
    [`n\\text{ is even}`, `n\\text{ is odd}`],
    [`x\\text{ squared}`, `x\\text{ cubed}`],
    [`${n} dozen`, `${n} hundred`],
    [`at least ${n}`, `at most ${n}`],
    [`${n} degrees north`, `${n} degrees south`],
    [`${n} BC`, `${n} AD`],
    [`more than ${n}`, `less than ${n}`],
    [`${n}\\text{ or more}`, `${n}\\text{ or less}`],
    [`${n} years ago`, `${n} years later`],
    [`${n} steps left`.replace("steps ", ""), `${n} right`],
    [`${n} minutes before noon`, `${n} minutes after noon`],
    [`${n} R 2`, `${n} R 1`],
    [`${n} remainder 2`, `${n} remainder 1`],
    [`\\text{only }${n}`, `\\text{not }${n}`],
    [`${n} \\pmod 7`, `${n} \\pmod 5`],
    [`${n} million`, `${n} billion`],
    [`${n} ft 3 in`, `3 ft ${n} in`],
    [`${n} hours 5 minutes`, `5 hours ${n} minutes`],
    [`\\text{positive }${n}`, `\\text{negative }${n}`],
    [`${n} feet 3 inches`, `${n} feet 4 inches`],
  ]);
  return {
    gold: a,
    equal: [` ${a} `, `${a}.`],
    different: [b, `${n}`, "x", "n", `${n + 1}`].filter((one) => one !== a),
  };
};

const unit: Make = (random) => {
  const n = between(random, 2, 99);
  const [short, long] = random.pick([
    ["cm", "centimeters"],
    ["km", "kilometers"],
    ["kg", "kilograms"],
    ["mph", "miles per hour"],
    ["ft", "feet"],
    ["m/s", "meters per second"],
    ["\\text{m}^2", "square meters"],
    ["h", "hours"],
  ]);
  return {
    gold: `${n} ${long}`,
    equal: [
      `${n}`,
      `${n}\\text{ ${long}}`,
      short.includes("text") ? `${n} ${short}` : `${n}\\text{ ${short}}`,
      `${n}\\,\\mathrm{${long}}`,
      `${n}.0 ${long}`,
    ],
    different: [
      `${n + 1} ${long}`,
      `${n * 10}`,
      `${n}0 ${long}`,
      `-${n} ${long}`,
      `${n} or ${n + 1} ${long}`,
      long,
    ],
  };
};

const option: Make = (random) => {
  const letters = ["A", "B", "C", "D"];
  const letter = random.pick(letters);
  const other = random.pick(letters.filter((one) => one !== letter));
  const n = between(random, 2, 50);
  return {
    gold: letter,
    equal: [
      `(${letter})`,
      `\\text{(${letter})}`,
      `\\textbf{${letter}}`,
      `${letter}.`,
      letter.toLowerCase(),
      `${letter}. ${n}`,
      `(${letter}) ${n}`,
      `\\textbf{(${letter})}\\ ${n}`,
      `\\text{(${letter}) }${n}`,
      `option ${letter}`,
    ],
    different: [
      other,
      `(${other})`,
      other.toLowerCase(),
      `${other}. ${n}`,
      `${n}`,
      `${letter}, ${other}`,
      `${letter}${other}`,
      `${letter}+${other}`,
      `not ${letter}`,
      `${letter} or ${other}`,
    ],
  };
};

const quoted: Make = (random) => {
  const items = Array.from({ length: between(random, 2, 4) }, () => `${between(random, -50, 50)}`);
  const turned = [...items].reverse();
  const write = (list: string[], gap = ", ") => `[${list.map((one) => `'${one}'`).join(gap)}]`;
  return {
    gold: write(items),
    equal: [write(items, ","), `[${items.map((one) => `"${one}"`).join(", ")}]`],
    different: [
      write(items.slice(1)),
      write([...items, "1"]),
      `${items[0]}`,
      ...(turned.join() === items.join() ? [] : [write(turned)]),
    ],
  };
};

export const WORDS: Record<string, Make> = {
  string,
  word,
  date,
  time,
  dashed,
  qualified,
  unit,
  option,
  quoted,
};
