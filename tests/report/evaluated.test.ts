import { afterAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  baseModels,
  baseOf,
  estimateOf,
  gainOf,
  heldOutOf,
  ksOf,
  modelsAt,
  momentStep,
} from "../../beyond/report/evaluated.ts";
import { methodsOf } from "../../beyond/report/methods.ts";
import { findRuns, ReportedRun } from "../../beyond/report/runs.ts";
import { CoverageLines, passLines } from "../../beyond/report/series.ts";
import { passTable } from "../../beyond/report/tables.ts";
import { type MadeRun, makeRun, RunInTheMaking } from "./made-run.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-evaluated-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

let made = 0;
function runs(...all: MadeRun[]): ReportedRun[] {
  const grid = join(folder, `grid-${++made}`);
  for (const [i, run] of all.entries()) makeRun(join(grid, `run-${i}`), run);
  return findRuns([grid]).map((path) => {
    const run = new ReportedRun(path);
    run.refresh();
    run.close();
    return run;
  });
}

describe("methods", () => {
  const names = (...all: MadeRun[]) =>
    methodsOf(runs(...all.map((run) => ({ steps: 4, evaluated: false, ...run })))).map(
      ({ name, runs }) => `${name}: ${runs.length}`,
    );

  test("runs that differ in their seed alone are one; the base model comes first", () => {
    const all = [{ explore: "ucb-con" }, { explore: "none" }, { explore: null }];
    const twice = [...all, ...all.map((run) => ({ ...run, seed: 2 }))];
    expect(names(...twice)).toEqual(["base: 2", "none: 2", "ucb-con: 2"]);
  });

  test("what differs within a method joins its name; what differs between methods does not", () => {
    const of = (explore: string, exploreCoef: number[]) => ({ explore, settings: { exploreCoef } });
    expect(names(of("none", [0]), of("batch", [0.4]), of("ucb", [0.2]))).toEqual([
      "none: 1",
      "ucb: 1",
      "batch: 1",
    ]);
    expect(names(of("ucb", [0.2]), of("ucb", [0.4]))).toEqual(["ucb, c 0.2: 1", "ucb, c 0.4: 1"]);
    expect(names(of("none", [0]), of("ucb", [0.2]), of("ucb", [0.4]))[0]).toBe("none: 1");
  });

  test("a run that went on with another version of own code is no seed of those of either", () => {
    const of = (seed: number, own: string, later?: string): MadeRun => ({
      explore: "/own/mine.ts",
      seed,
      origins: {
        data: "d",
        rows: 4,
        model: "m",
        own: { "/own/mine.ts": own },
        ownLater: later ? [{ after: 2, own: { "/own/mine.ts": later } }] : [],
      },
    });
    const found = names(
      of(1, "old"),
      of(2, "old"),
      of(3, "old", "new"),
      of(4, "new"),
      of(5, "new"),
    );
    expect(found.map((name) => name.slice(-1)).sort()).toEqual(["1", "2", "2"]);
  });

  test("an advantage other than GRPO's is the name, before the bonuses", () => {
    const of = (advantage: string, explore: string) => ({ explore, settings: { advantage } });
    expect(
      names(
        of("maxrl", "none"),
        of("grpo", "none"),
        of("maxrl", "batch"),
        of("./own/mine.ts", "none"),
      ),
    ).toEqual(["none: 1", "maxrl: 1", "maxrl,batch: 1", "mine: 1"]);
  });

  test("runs that differ in more than the seed are no seeds of each other, nor are two of one seed", () => {
    const settings = (changed: object) => ({ settings: { ...changed } });
    for (const changed of [
      { data: "other.jsonl" },
      { maxSteps: 8 },
      { evalSamples: 8 },
      { temperature: 0.2 },
    ]) {
      expect(names({ seed: 1 }, { seed: 2, ...settings(changed) }).map((n) => n.slice(-1))).toEqual(
        ["1", "1"],
      );
    }
    expect(names({ seed: 1 }, { seed: 1 })).toEqual(["run-0: 1", "run-1: 1"]);
    expect(names({ seed: 1 }, { seed: 2, ...settings({ saveSteps: 7, gpu: "x" }) })).toEqual([
      "none: 2",
    ]);
  });

  test("many differences are told by the names of the runs, which --run-name gives", () => {
    const many = { learningRate: 0.1, beta: 0.2, temperature: 0.7 };
    expect(names({ seed: 1 }, { seed: 2, settings: { ...many, runName: "warm" } })).toEqual([
      "run-0: 1",
      "warm: 1",
    ]);
  });
});

describe("held out", () => {
  const seeds = [1, 2, 3];
  const methods = methodsOf(
    runs(...["none", "batch"].flatMap((explore) => seeds.map((seed) => ({ explore, seed })))),
  );
  const [none, batch] = modelsAt(methods, "last");
  const [base] = baseModels(methods);

  test("early is a quarter of the run, last is its end, the base model is step 0", () => {
    const [run] = methods[0].runs;
    expect(run.evaluations.steps).toEqual([0, 10, 40]);
    const moments = (["base", "early", "last"] as const).map((moment) => momentStep(run, moment));
    expect(moments).toEqual([0, 10, 40]);
  });

  test("a figure is the mean over seeds, within its interval, and a gain is the difference", () => {
    expect(ksOf([none, batch])).toEqual([1, 2, 4, 8]);
    const mean = heldOutOf(none).reduce((sum, { values }) => sum + (values["pass@2"] ?? 0) / 3, 0);
    const estimate = estimateOf(none, "pass@2");
    expect(estimate?.mean).toBeCloseTo(mean, 12);
    expect(estimate?.low).toBeLessThan(mean);
    expect(estimate?.high).toBeGreaterThan(mean);
    const [from, to] = [none, batch].map((models) => estimateOf(models, "pass@1")?.mean ?? 0);
    const gain = gainOf(none, batch, "pass@1");
    expect(gain?.mean).toBeCloseTo(to - from, 12);
    expect(gainOf(none, none, "pass@1")).toEqual({ mean: 0, low: 0, high: 0 });
    expect(base.runs.length).toBe(3);
    expect(gainOf(base, none, "pass@1")?.low).toBeGreaterThan(0);
  });

  test("evaluations at other temperatures are not pooled: the runs stand apart, and the table says how", () => {
    const apart = methodsOf(runs({ seed: 1 }, { seed: 2, temperature: 0.2 }));
    expect(apart.map(({ name, runs }) => [name, runs.length])).toEqual([
      ["run-0", 1],
      ["run-1", 1],
    ]);
    const text = passTable(apart);
    expect(text).toContain('<th scope="col">temperature</th>');
    expect(text).toMatch(/run-1<\/th><td>1<\/td><td>0\.2<\/td>/);
    const pooled = { name: "x", runs: apart.flatMap(({ runs }) => runs), moment: "last" as const };
    expect(estimateOf(pooled, "pass@1")).toBeNull();
    expect(passTable(methods)).not.toContain("temperature");
  });

  test("each base model is its own row where it was asked differently", () => {
    const apart = methodsOf(
      runs({ seed: 1 }, { seed: 2, samples: 4, settings: { evalSamples: 4 } }),
    );
    const bases = baseModels(apart);
    expect(bases.map(({ name }) => name).toSorted()).toEqual(["base of run-0", "base of run-1"]);
    const trained = modelsAt(apart, "last");
    expect(trained.map((models) => baseOf(models, bases)?.name)).toEqual(
      trained.map(({ runs: [run] }) => `base of ${run.name}`),
    );
    const [first, second] = ["run-0", "run-1"].map(
      (name) => trained.find(({ runs: [run] }) => run.name === name)!,
    );
    expect(gainOf(baseOf(first, bases)!, second, "pass@1")).toBeNull();
  });

  test("nothing is compared with models of other seeds", () => {
    const [other] = modelsAt(methodsOf(runs({ explore: "ucb", seed: 9 })), "last");
    expect(gainOf(none, other, "pass@1")).toBeNull();
  });

  test("lines have the base model first, and a band over seeds", () => {
    const lines = passLines(methods, "last");
    expect(lines.map(({ name }) => name)).toEqual(["base", "none", "batch"]);
    for (const { x, y, low = 0, high = 0 } of lines[1].points) {
      expect([1, 2, 4, 8]).toContain(x);
      expect(low <= y && y <= high).toBe(true);
    }
  });
});

test("training as sampling: the base model is beside the methods, and sees more answers", () => {
  const methods = methodsOf(runs({ explore: null, evaluated: false }, { explore: "none" }));
  const lines = new CoverageLines(methods).lines("distinct");
  expect(lines.map(({ name }) => name)).toEqual(["base", "none"]);
  const [base, none] = lines.map(({ points }) => points.at(-1)?.y ?? 0);
  expect(base).toBeGreaterThan(none);
  const solved = new CoverageLines(methods).lines("solved", ["none"]);
  expect(solved.map(({ name }) => name)).toEqual(["none"]);
  for (const [i, { y }] of solved[0].points.entries()) {
    expect(y).toBeGreaterThanOrEqual(solved[0].points[i - 1]?.y ?? 0);
  }
});

test("a run that went on with other held-out questions has no base model any more", () => {
  const path = makeRun(join(folder, "resumed"), { steps: 8 });
  const base = join(path, "evaluations", "held-out-0.json");
  const moments = () => {
    const run = new ReportedRun(path);
    run.refresh();
    run.close();
    return (["base", "early", "last"] as const).map((moment) => momentStep(run, moment));
  };
  expect(moments()).toEqual([0, 2, 8]);
  // under another name: what the metrics say of step 0 is of those questions
  renameSync(base, join(path, "evaluations", "other-0.json"));
  expect(moments()).toEqual([null, 2, 8]);
  // under the same name, from another folder
  const file = JSON.parse(readFileSync(join(path, "evaluations", "other-0.json"), "utf8"));
  file.questions[0].question = "another one";
  writeFileSync(base, JSON.stringify(file));
  expect(moments()).toEqual([null, 2, 8]);
  // several evaluations of one step by eval are of that step
  const last = join(path, "evaluations", "held-out-8.json");
  copyFileSync(last, join(path, "evaluations", "held-out-5.eval-3.json"));
  expect(moments()).toEqual([null, 2, 8]);
  const run = new ReportedRun(path);
  run.refresh();
  run.close();
  expect(run.evaluations.steps).toEqual([0, 2, 5, 8]);
});

test("an evaluation of which only the line in the metrics is left has a value and no gain", () => {
  const run = new RunInTheMaking(join(folder, "lines"));
  run.train(2);
  run.evaluate();
  run.close();
  rmSync(join(run.path, "evaluations"), { recursive: true });
  const reported = new ReportedRun(run.path);
  reported.refresh();
  reported.close();
  const methods = methodsOf([reported]);
  const [models] = modelsAt(methods, "last");
  expect(estimateOf(models, "pass@1")?.mean).toBeGreaterThan(0);
  expect(gainOf(baseModels(methods)[0], models, "pass@1")).toBeNull();
});
