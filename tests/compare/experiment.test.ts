import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readExperiment } from "../../beyond/compare/experiment.ts";
import { goingOn } from "../../beyond/compare/telling.ts";
import { UserError } from "../../lib/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-experiment-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "small.yaml");
const read = (text: string) => {
  writeFileSync(path, text);
  return readExperiment(path, "runs/small");
};

const GOOD = `data: train.jsonl
held-out: test.jsonl
seeds: [3, 1]
settings:
  max-steps: 20
  temperature: 0.8
methods:
  none: { explore: none }
  ucb-con:
    explore: ucb-con
    explore-coef: [0.1, 0.2]
evaluate:
  checkpoints: [20, 5]
  num-samples: 16
`;

describe("an experiment", () => {
  test("is a grid of methods, values and seeds, seed by seed, the base model first", async () => {
    const { name, runs } = await read(GOOD);
    expect(name).toBe("small");
    const names = ["base", "none", "ucb-con-explore-coef-0.1", "ucb-con-explore-coef-0.2"];
    expect(runs.map((run) => run.name)).toEqual(
      [3, 1].flatMap((seed) => names.map((name) => `${name}-${seed}`)),
    );
    const [base, , third] = runs;
    expect(base.settings).toMatchObject({ seed: 3, maxSteps: 20, temperature: 0.8 });
    expect(base.checkpoints).toEqual([0]);
    expect(third.settings).toMatchObject({
      explore: "ucb-con",
      exploreCoef: [0.1],
      outputDir: join("runs/small", "ucb-con-explore-coef-0.1-3"),
      // as far apart as the checkpoints allow, and all kept
      saveSteps: 5,
      saveTotalLimit: 4,
    });
    expect(third.checkpoints).toEqual([5, 20]);
    expect(third.evaluation).toMatchObject({
      data: "test.jsonl",
      numSamples: 16,
      k: [1, 2, 4, 8, 16],
      seed: 3,
      temperature: 0.8,
    });
  });

  test("evaluations, the base model's too, are drawn as --eval-temperature and its like say", async () => {
    const { runs } = await read(
      GOOD.replace("max-steps: 20", "max-steps: 20\n  eval-temperature: 0.3"),
    );
    for (const { evaluation, settings } of runs) {
      expect([evaluation.temperature, settings.temperature]).toEqual([0.3, 0.8]);
    }
  });

  test("the base model may be sampled for fewer steps than the methods", async () => {
    const { runs } = await read(GOOD.replace("seeds:", "base: { max-steps: 1 }\nseeds:"));
    expect(runs.map(({ settings }) => settings.maxSteps).slice(0, 2)).toEqual([1, 20]);
  });

  test("a run that goes on beyond the last checkpoint keeps those that are evaluated", async () => {
    const { runs } = await read(GOOD.replace("[20, 5]", "[10, 5]"));
    const [{ settings, checkpoints }] = runs.filter(({ base }) => !base);
    expect(checkpoints).toEqual([5, 10]);
    expect(settings).toMatchObject({ maxSteps: 20, saveSteps: 5, saveTotalLimit: 4 });
  });

  test("the files of the repository can be read", async () => {
    const paper = await readExperiment("experiments/paper.yaml", "runs/paper");
    expect(new Set(paper.runs.map(({ method }) => method)).size).toBe(7);
    expect(paper.runs.length).toBe(21);
    expect((await readExperiment("experiments/sweep.yaml", "runs/sweep")).runs.length).toBe(10);
    const others = {
      first: 3,
      methods: 35,
      "methods-sweep": 5,
      sensitivity: 11,
      questions: 21,
      countdown: 9,
      svamp: 10,
      gsm8k: 10,
    };
    for (const [name, runs] of Object.entries(others)) {
      const read = await readExperiment(`experiments/${name}.yaml`, `runs/${name}`);
      expect([name, read.runs.length]).toEqual([name, runs]);
    }
  });
});

test("advantages by name, with a parameter that takes whole numbers", async () => {
  const named = GOOD.replace(
    "none: { explore: none }",
    "pass: { explore: none, advantage: pass-at-k, at-k: [2, 3] }",
  );
  const { runs } = await read(named);
  const made = runs.slice(1, 3).map(({ name, settings }) => [name, { ...settings } as object]);
  expect(made).toMatchObject([
    ["pass-at-k-2-3", { explore: "none", advantage: "pass-at-k", atK: 2 }],
    ["pass-at-k-3-3", { explore: "none", advantage: "pass-at-k", atK: 3 }],
  ]);
  await expect(read(named.replace("[2, 3]", "1.5"))).rejects.toThrow(
    /:8: methods\.pass.*--at-k must be a whole number/,
  );
});

test("bonuses and advantages in files, with a parameter of their own", async () => {
  const bonus = join(folder, "shy.ts");
  const parameters = '{ tau: { default: 1, min: 0, max: 9, help: "how shy" } }';
  const signal = "({ counts }, { tau }) => Array.from(counts, (n) => -tau * n)";
  writeFileSync(
    bonus,
    `export default { name: "shy", parameters: ${parameters}, signal: ${signal} };`,
  );
  const named = GOOD.replace("none: { explore: none }", `shy: { explore: ${bonus}, tau: [2, 3] }`);
  const { runs } = await read(named);
  expect(
    runs.slice(1, 3).map(({ name, settings }) => [name, { ...settings } as object]),
  ).toMatchObject([
    ["shy-tau-2-3", { explore: bonus, tau: 2 }],
    ["shy-tau-3-3", { explore: bonus, tau: 3 }],
  ]);
  const next = goingOn(runs[1], "runs/small", "1+1=");
  expect(next).toContain(`--explore ${bonus} --explore-coef 0.2 --tau 2  #`);
  await expect(read(named.replace("tau:", "tua:"))).rejects.toThrow(
    `${path}:8: methods.shy.tua: unknown flag --tua; did you mean --tau?`,
  );
  await expect(read(named.replace("shy.ts", "sly.ts"))).rejects.toThrow(
    /:8: methods\.shy\.explore: --explore .*sly\.ts: no such file/,
  );
});

describe("two runs of one folder are refused, with the method", () => {
  test.each([
    [
      "none: { explore: none }",
      "none: { explore: none }\n  ucb-con-explore-coef-0.1: { explore: ucb }",
      "10: methods.ucb-con: has a run ucb-con-explore-coef-0.1-3, and so has ucb-con-explore-coef-0.1: call the method otherwise",
    ],
    [
      "none: { explore: none }",
      "none: { explore: none }\n  None: { explore: ucb }",
      "9: methods.None: has a run None-3, and so has none: call the method otherwise",
    ],
    [
      "[0.1, 0.2]",
      "[0.1, 0.1]",
      "9: methods.ucb-con: has a run ucb-con-explore-coef-0.1-3, and so has another of its values: call the method otherwise",
    ],
  ])("%s and %s", async (before, after, message) => {
    await expect(read(GOOD.replace(before, after))).rejects.toThrow(`${path}:${message}`);
  });
});

describe("what is wrong is said in a line with the key and where it is", () => {
  const mistakes: [what: string, before: string, after: string, message: string][] = [
    [
      "an unknown flag",
      "explore: ucb-con\n",
      "explor: ucb\n",
      "10: methods.ucb-con.explor: unknown flag --explor; did you mean --explore?",
    ],
    [
      "an unusable value",
      "max-steps: 20",
      "max-steps: many",
      '5: settings.max-steps: --max-steps must be a whole number at least 1, not "many"',
    ],
    [
      "a combination",
      "none: { explore: none }",
      "none: { explore: none, explore-coef: 1 }",
      "8: methods.none.explore: --explore none has no use for --explore-coef and --explore-tokens: leave them out",
    ],
    [
      "an unknown key",
      "seeds:",
      "seed: 1\nseeds:",
      "3: seed: is not known; there are data, held-out, base, seeds, settings, methods, evaluate",
    ],
    ["a missing key", "data: train.jsonl\n", "", "1: data: is missing"],
    ["a wrong type", "[3, 1]", "[3, one]", "3: seeds.1: expected number, received string"],
    [
      "bad YAML",
      "[3, 1]",
      "[3, 1",
      "4: Flow sequence in block collection must be sufficiently indented and end with a ], which YAML does not allow",
    ],
    [
      "a flag of compare's own",
      "temperature: 0.8",
      "seed: 5",
      "6: settings.seed: --seed is for compare to say: leave it out",
    ],
    [
      "kernels, which compare says for all runs",
      "temperature: 0.8",
      "kernels: plain",
      "6: settings.kernels: --kernels is for compare to say: leave it out",
    ],
    ["a seed twice", "[3, 1]", "[3, 1, 3]", "3: seeds: has a seed twice"],
    ["no seed", "[3, 1]", "[]", "3: seeds: needs at least one seed"],
    [
      "a base that is none",
      "seeds:",
      "base: maybe\nseeds:",
      "3: base: is true, false, or flags of sample-base",
    ],
    [
      "a checkpoint that is not there",
      "[20, 5]",
      "[25]",
      "13: evaluate.checkpoints: --checkpoints 25 is not among those kept: with --max-steps 20, --save-steps 25 and --save-total-limit 1 these are 20",
    ],
    [
      "k beyond the samples",
      "num-samples: 16",
      "num-samples: 16\n  k: [32]",
      "15: evaluate.k: --k 32 needs --num-samples 32 or more, not 16",
    ],
    [
      "a method named base",
      "none: {",
      "base: {",
      `8: methods.base: is the base model itself; "base: true" samples from it`,
    ],
  ];
  test.each(mistakes)("%s", async (_, before, after, message) => {
    expect(GOOD).toContain(before);
    const error = await read(GOOD.replace(before, after)).catch((error) => error);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain(`${path}:${message}`);
  });
});
