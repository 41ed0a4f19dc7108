import { expect, test } from "bun:test";
import type { PlannedRun } from "../../beyond/compare/experiment.ts";
import type { MethodResults, Results } from "../../beyond/compare/results.ts";
import { goingOn, picture, reading, resultTable } from "../../beyond/compare/telling.ts";
import type { Estimate } from "../../beyond/measuring/bootstrap.ts";
import { trainSettings } from "../../beyond/settings/arguments.ts";
import { NO_METHODS } from "../../beyond/settings/methods.ts";

const near = (value: number): Estimate => ({ value, low: value - 0.01, high: value + 0.01 });

/** pass@1 and pass@64, and what they are more than the base model's .25 and .99. */
function made(method: string, pass: [number, number], base = false): MethodResults {
  const figures = {
    "pass@1": near(pass[0]),
    "pass@64": near(pass[1]),
    "diff@1": near(1),
    "diff@64": near(0.9),
    entropy: near(0.2),
  };
  const overBase = { "pass@1": near(pass[0] - 0.25), "pass@64": near(pass[1] - 0.99) };
  const step = base ? 0 : 120;
  const evaluation = { step, temperature: 1, figures, overReference: null, sinceFirst: null };
  const evaluations = [{ ...evaluation, overBase: base ? null : overBase }];
  return { method, seeds: [1], tokens: 1000, evaluations, sampling: [] };
}

const results: Results = {
  reference: "none",
  questions: 128,
  samples: 64,
  methods: [made("base", [0.25, 0.99], true), made("none", [0.45, 0.65]), made("maxrl", [0.44, 1])],
};

test("the sentence says what each method gained and lost against the base model", () => {
  expect(reading(results)).toBe(
    "Against the base model after 120 steps, in points of pass@k: " +
      "plain GRPO gained 20.0 at the first try and lost 34.0 at 64 tries; " +
      "maxrl gained 19.0 at the first try and 1.0 at 64 tries.",
  );
});

test("without a base model there is nothing to say", () => {
  const methods = results.methods.slice(1).map((method) => ({
    ...method,
    evaluations: method.evaluations.map((one) => ({ ...one, overBase: null })),
  }));
  expect(reading({ ...results, methods })).toBeNull();
});

test("the table has the first and the last k that were measured", () => {
  expect(resultTable("runs/x", results).split("\n")[1]).toMatch(
    /^ +pass@1 +pass@64 +diff@64 +entropy$/,
  );
});

test.each([
  ["--explore none", "--advantage grpo --explore none"],
  [
    "--advantage leave-one-out-k --at-k 3 --explore batch,ucb-con --explore-coef 0.4",
    "--advantage leave-one-out-k --explore batch,ucb-con --explore-coef 0.4 --at-k 3",
  ],
])("what is said to go on with can be typed: %s", (typed, said) => {
  const args = ["d", ...typed.split(" ")];
  const settings = trainSettings(args, () => ({}));
  const run = { name: "one-1", base: false, settings, own: NO_METHODS } as PlannedRun;
  const line = goingOn(run, "runs/x", "1+1=")
    .split("\n")
    .find((text) => text.includes("your.jsonl"));
  expect(line).toContain(`--model path/to/model ${said}  #`);
  expect(() => trainSettings(["d", ...said.split(" ")], () => ({}))).not.toThrow();
});

test("the picture has a line of each method, with its name", async () => {
  const svg = await picture(results);
  for (const name of ["base", "none", "maxrl"]) expect(svg).toContain(`>${name}</text>`);
});
