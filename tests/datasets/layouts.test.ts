import { describe, expect, test } from "bun:test";
import { openJudge, outcomeFor } from "../../beyond/answers/outcome.ts";
import { readRows } from "../../beyond/datasets/rows.ts";

const rowsIn = async (file: string) => [
  ...(await readRows(`${import.meta.dir}/layouts/${file}`)).rows,
];

/** File, outcome, and for each row how the question begins and ends, and the outcome that is right. */
const layouts: [string, string, [begins: string, ends: string, gold: string][]][] = [
  [
    "gsm8k.jsonl",
    "number",
    [
      ["A crate", "6 crates hold?", "72"],
      ["Mia saves", "10 weeks?", "1250"],
      ["The temperature", "What is it now?", "-5"],
    ],
  ],
  [
    "math.jsonl",
    "math",
    [
      ["Simplify", "$.", "2*sqrt(3)"],
      ["A fair", "heads?", "1/4"],
      ["Solve", "notation.", "(-2,2)"],
    ],
  ],
  [
    "math-500.jsonl",
    "math",
    [
      ["Convert", "coordinates.", "(3,1/2*pi)"],
      ["Who", "fastest?", "evelyn"],
    ],
  ],
  [
    "dapo-math-17k.parquet",
    "math",
    [
      ["Solve the following", 'after "Answer:".', "77"],
      ["Solve the following", 'after "Answer:".', "2"],
    ],
  ],
  [
    "verl-gsm8k.parquet",
    "number",
    [
      ["A crate", 'after "####".', "72"],
      ["Ann", 'after "####".', "1200"],
    ],
  ],
  [
    "aime-2024.jsonl",
    "number",
    [
      ["Find $7", "$.", "204"],
      ["Find the least", "600$.", "25"],
    ],
  ],
  [
    "aime-2024.parquet",
    "number",
    [
      ["Find $7", "$.", "204"],
      ["Find the least", "600$.", "25"],
    ],
  ],
  [
    "aime-2025.jsonl",
    "number",
    [
      ["Find the sum", "$.", "70"],
      ["Find $2", "$.", "588"],
    ],
  ],
  [
    "amc23.parquet",
    "number",
    [
      ["How many", "hours?", "27"],
      ["What is the average", "$10$?", "19/2"],
    ],
  ],
  [
    "trl-conversational.jsonl",
    "math",
    [
      ["What is $\\frac", "{3}$?", "5/6"],
      ["What is the square", "12?", "144"],
    ],
  ],
];

describe("published layouts", () => {
  test.each(layouts)("%s, --outcome %s", async (file, kind, expected) => {
    const outcome = await openJudge(kind);
    const rows = await rowsIn(file);
    expect(rows).toHaveLength(expected.length);
    // what is chosen where --outcome is not given; it reads plain numbers as --outcome number does
    expect(outcomeFor(rows)).toBe("math");
    const math = await openJudge("math");
    for (const [i, [begins, ends, gold]] of expected.entries()) {
      expect(rows[i].question).toStartWith(begins);
      expect(rows[i].question).toEndWith(ends);
      expect(outcome.gold(rows[i])).toBe(gold);
      expect(math.gold(rows[i])).toBe(gold);
    }
  });

  test("reasoning-gym.jsonl: the same two fields, and a countdown task of its own", async () => {
    const rows = await rowsIn("reasoning-gym.jsonl");
    expect(outcomeFor(rows)).toBe("math");
    const [legs, countdown] = rows;
    expect(outcomeFor([countdown])).toBe("countdown");
    expect(legs.question).toStartWith("How many legs");
    expect((await openJudge("number")).gold(legs)).toBe("4");
    const outcome = await openJudge("countdown");
    const asked = { row: countdown, gold: outcome.gold(countdown) ?? "" };
    const texts = ["<answer>95 - (36 - 29)</answer>", "<answer>95 - 7</answer>"];
    const judged = await outcome.judge(
      texts.map((text) => ({ text, truncated: false })),
      asked,
    );
    expect(judged.map(({ correct }) => correct)).toEqual([true, false]);
  });

  test.each([
    ["countdown-tasks.parquet", "(19 + 35) + 44", "Using the numbers [44, 19, 35], create"],
    ["verl-countdown.parquet", "8 + 5 + 3", "Using the numbers [3, 5, 8], create"],
  ])("TinyZero's %s", async (file, expression, begins) => {
    const rows = await rowsIn(file);
    expect(outcomeFor(rows)).toBe("countdown");
    const [row] = rows;
    expect(row.question).toStartWith(begins);
    const outcome = await openJudge("countdown");
    const [judged] = await outcome.judge(
      [{ text: `<answer> ${expression} </answer>`, truncated: false }],
      { row, gold: outcome.gold(row) ?? "" },
    );
    expect(judged.correct).toBe(true);
  });
});
