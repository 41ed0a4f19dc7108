import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compare } from "../../beyond/compare/compare.ts";
import { readExperiment } from "../../beyond/compare/experiment.ts";
import { type Results, resultsOf } from "../../beyond/compare/results.ts";
import { LedgerReader } from "../../beyond/runs/ledger.ts";
import { compareSettings } from "../../beyond/settings/arguments.ts";
import { ClusterHere, within } from "../cluster/here.ts";
import { shareGpu } from "../kernels.ts";

shareGpu();
const folder = mkdtempSync(join(tmpdir(), "rlexplore-compare-"));
afterAll(() => rmSync(folder, { recursive: true }));
const experiment = join(folder, "small.yaml");
const RUNS = ["base-1", "none-1", "ucb-con-1"];

const path = (...names: string[]) => join(folder, ...names);
const read = (...names: string[]) => readFileSync(path(...names), "utf8");
const lines = (...names: string[]) =>
  existsSync(path(...names))
    ? read(...names)
        .trim()
        .split("\n").length
    : 0;
const arguments_ = (name: string) => [experiment, "--output-dir", path(name), "--quiet"];
const run = (name: string, more: string[] = [], signal?: AbortSignal) =>
  compare(compareSettings([...arguments_(name), ...more]), signal);
/** Listeners that the first experiment has added to its signal, and removed. */
const listeners = { added: 0, removed: 0 };
const writtenAt = (...names: string[]) => statSync(path(...names)).mtimeMs;

beforeAll(async () => {
  const questions = ["10+1-1+1=", "11+2+1+1=", "12-1-1-1=", "13+1+1-2="];
  const row = (question: string, i: number) => JSON.stringify({ question, answer: `${11 + i}` });
  const rows = questions.map(row);
  writeFileSync(path("train.jsonl"), rows.join("\n"));
  writeFileSync(path("test.jsonl"), rows.slice(1, 3).join("\n"));
  writeFileSync(
    experiment,
    `data: ${path("train.jsonl")}
held-out: ${path("test.jsonl")}
seeds: [1]
settings: { max-steps: 8, prompts-per-step: 4, num-generations: 4, learning-rate: 1.0e-3, outcome: auto }
methods:
  none: { explore: none }
  ucb-con: { explore: ucb-con }
evaluate: { checkpoints: [4, 8], num-samples: 8 }
`,
  );
  const { signal } = new AbortController();
  const added = spyOn(signal, "addEventListener");
  const removed = spyOn(signal, "removeEventListener");
  await run("whole", [], signal);
  listeners.added = added.mock.calls.length;
  listeners.removed = removed.mock.calls.length;
});

test("a run that has ended says nothing at a Ctrl-C that ends a later one", () => {
  expect(listeners).toEqual({ added: 2, removed: 2 });
});

test("an experiment leaves a run each, their evaluations, and what came out", () => {
  for (const name of RUNS) expect(existsSync(path("whole", name, "ledger.sqlite"))).toBe(true);
  const plan = JSON.parse(read("whole", "compare.json"));
  expect(plan.runs.map(({ name }: { name: string }) => name)).toEqual(RUNS);
  const results: Results = JSON.parse(read("whole", "results.json"));
  expect(results.methods.map(({ method }) => method)).toEqual(["base", "none", "ucb-con"]);
  const [base, none, con] = results.methods;
  expect(base.evaluations.map(({ step }) => step)).toEqual([0]);
  expect(con.evaluations.map(({ step }) => step)).toEqual([4, 8]);
  expect(none.evaluations[1].overReference).toBeNull();
  const { figures, overReference, sinceFirst } = con.evaluations[1];
  const gained =
    (figures["pass@8"].value ?? 0) - (none.evaluations[1].figures["pass@8"].value ?? 0);
  expect(overReference?.["pass@8"].value).toBeCloseTo(gained, 12);
  const start = base.evaluations[0].figures["pass@8"].value ?? 0;
  expect(con.evaluations[1].overBase?.["pass@8"].value).toBeCloseTo(
    (figures["pass@8"].value ?? 0) - start,
    12,
  );
  expect(base.evaluations[0].overBase).toBeNull();
  const ledger = new LedgerReader(path("whole", "ucb-con-1", "ledger.sqlite"));
  const sampled = [...ledger.rollouts()].reduce((sum, { tokens }) => sum + tokens, 0);
  ledger.close();
  expect(con.tokens).toBe(sampled);
  expect(read("whole", "pass.svg")).toContain("<svg ");
  const early = con.evaluations[0].figures.entropy.value ?? 0;
  expect(sinceFirst?.entropy.value).toBeCloseTo((figures.entropy.value ?? 0) - early, 12);
  // 8 steps of 4 questions among 4, four samples each
  expect(base.sampling.map(({ samples }) => samples)).toEqual([8, 16, 32]);
  expect(none.sampling[0].overBase?.distinct.value).toBeCloseTo(
    (none.sampling[0].figures.distinct.value ?? 0) - (base.sampling[0].figures.distinct.value ?? 0),
    12,
  );
});

test("a base model that has not met all questions is compared on those held out alone", async () => {
  cpSync(path("whole"), path("fewer"), { recursive: true });
  const ledger = new Database(path("fewer", "base-1", "ledger.sqlite"));
  ledger.run("DELETE FROM rollouts WHERE question = 1");
  ledger.close();
  const { methods } = resultsOf(
    path("fewer"),
    await readExperiment(experiment, path("fewer")),
    null,
  );
  const [, none, con] = methods;
  expect(none.evaluations[0].overBase).not.toBeNull();
  expect(none.sampling.map(({ overBase }) => overBase)).toEqual([null, null, null]);
  expect(con.sampling[0].overReference).not.toBeNull();
});

test("killed in the middle of a run and given again: what was done stays, and all ends as it would have", async () => {
  const child = Bun.spawn([process.execPath, "main.ts", "compare", ...arguments_("killed")], {
    cwd: join(import.meta.dir, "../.."),
    stdout: "ignore",
    stderr: "inherit",
  });
  try {
    while (lines("killed", "ucb-con-1", "metrics.jsonl") < 5) {
      if (child.exitCode !== null) throw new Error(`compare ended with ${child.exitCode}`);
      await Bun.sleep(2);
    }
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
  expect(existsSync(path("killed", "results.json"))).toBe(false);
  const done = [
    ["base-1", "metrics.jsonl"],
    ["none-1", "metrics.jsonl"],
    ["none-1", "evaluations", "test-8.json"],
    ["ucb-con-1", "checkpoint-4", "model.safetensors"],
  ];
  const before = done.map((names) => writtenAt("killed", ...names));
  await run("killed");
  expect(done.map((names) => writtenAt("killed", ...names))).toEqual(before);
  expect(read("killed", "results.json")).toBe(read("whole", "results.json"));
  for (const name of RUNS.slice(1)) {
    const weights = [name, "checkpoint-8", "model.safetensors"];
    expect(read("killed", ...weights)).toBe(read("whole", ...weights));
  }
});

test("over a cluster runs go on side by side, also after a worker is lost, and come to the same", async () => {
  let updates = 0;
  const cluster = new ClusterHere(2, (_, op) =>
    op === "update" && ++updates === 11 ? "dies after" : "well",
  );
  await within(cluster, () => run("shared", ["--ray", "local"]));
  const samples = cluster.asked.filter(({ op }) => op === "sample").map(({ worker }) => worker);
  // the second was at work before the first had ended
  expect(samples.indexOf(1)).toBeLessThan(samples.lastIndexOf(0));
  expect(cluster.closed).toBe(true);
  expect(read("shared", "results.json")).toBe(read("whole", "results.json"));
  for (const name of RUNS.slice(1)) {
    const weights = [name, "checkpoint-8", "model.safetensors"];
    expect(read("shared", ...weights)).toBe(read("whole", ...weights));
    expect(lines("shared", name, "metrics.jsonl")).toBe(lines("whole", name, "metrics.jsonl"));
  }
});

test("a file that is not there is said before anything is run", async () => {
  const text = read("small.yaml");
  for (const [file, missing] of [
    ["test.jsonl", "nothing.jsonl"],
    ["train.jsonl", "none.jsonl"],
  ]) {
    writeFileSync(experiment, text.replace(path(file), path(missing)));
    await expect(run("early")).rejects.toThrow(`${path(missing)}: no such file`);
  }
  expect(existsSync(path("early", "base-1"))).toBe(false);
  writeFileSync(experiment, text);
});

test("kernels with which a run cannot be made are said before anything is run", async () => {
  const text = read("small.yaml");
  writeFileSync(experiment, text.replace("max-steps: 8", "max-steps: 8, kv-cache-tokens: 500"));
  await expect(run("plain", ["--kernels", "plain"])).rejects.toThrow(
    "no use for --kv-cache-tokens",
  );
  expect(existsSync(path("plain"))).toBe(false);
  writeFileSync(experiment, text);
});

test("a comparison that was stopped says the command that was given", async () => {
  const said = spyOn(process.stdout, "write").mockImplementation(() => true);
  try {
    const given = [...arguments_("stopped"), "--reference", "ucb-con"];
    await compare(compareSettings(given), AbortSignal.abort());
    expect(said.mock.calls.join("\n")).toContain(
      `compare ${experiment} --output-dir ${path("stopped")} --reference ucb-con`,
    );
  } finally {
    said.mockRestore();
  }
});

test("other settings than a run was made with are refused before anything is run", async () => {
  const text = read("small.yaml");
  writeFileSync(experiment, text.replace("1.0e-3", "2.0e-3"));
  await expect(run("whole")).rejects.toThrow(
    `${path("whole", "base-1").replace("base", "none")} was made with --learning-rate 0.001, the experiment says 0.002; delete it, or choose another --output-dir`,
  );
  writeFileSync(experiment, text);
});

test("set back to fewer steps, what a method costs is what it had drawn by then", async () => {
  const text = read("small.yaml");
  writeFileSync(experiment, text.replace("max-steps: 8", "max-steps: 4").replace("[4, 8]", "[4]"));
  cpSync(path("whole"), path("back"), { recursive: true });
  await run("back");
  writeFileSync(experiment, text);
  const { methods }: Results = JSON.parse(read("back", "results.json"));
  for (const [i, name] of RUNS.entries()) {
    const ledger = new LedgerReader(path("whole", name, "ledger.sqlite"));
    const early = [...ledger.rollouts()].filter(({ step }) => step <= 4);
    ledger.close();
    expect(methods[i].tokens).toBe(early.reduce((sum, { tokens }) => sum + tokens, 0));
    expect(methods[i].sampling.map(({ samples }) => samples)).toEqual([8, 16]);
  }
});

test("a checkpoint that was asked for later and not kept is refused before anything is run", async () => {
  const text = read("small.yaml");
  writeFileSync(experiment, text.replace("[4, 8]", "[2, 8]"));
  await expect(run("whole")).rejects.toThrow(
    `${path("whole", "none-1")} has not kept checkpoint-2, only 4, 8: take 2 out of evaluate.checkpoints in ${experiment}, or delete the run`,
  );
  writeFileSync(experiment, text);
});

describe("what was made is taken only with what it was made with", () => {
  const rows = (name: string) => read(name).trim().split("\n");
  const yaml = () => read("small.yaml");

  test("held-out questions and rows that were changed are refused before anything is run", async () => {
    const before = { test: read("test.jsonl"), train: read("train.jsonl") };
    writeFileSync(path("test.jsonl"), rows("train.jsonl").slice(0, 2).join("\n"));
    const evaluation = path("whole", "base-1", "evaluations", "test-0.json");
    const other = `${evaluation} is of other rows than ${path("test.jsonl")} has now (2 then, 2 now); put them back`;
    await expect(run("whole")).rejects.toThrow(other);
    cpSync(path("whole"), path("older"), { recursive: true });
    for (const name of RUNS) {
      for (const step of [0, 4, 8]) edit(path("older", name, "evaluations", `test-${step}.json`));
    }
    await expect(run("older")).rejects.toThrow("older/base-1/evaluations/test-0.json is of other");
    writeFileSync(path("test.jsonl"), before.test);
    await run("older");
    writeFileSync(path("train.jsonl"), rows("train.jsonl").slice(0, 3).join("\n"));
    await expect(run("whole")).rejects.toThrow(
      `${path("whole", "base-1")} was made with other rows than ${path("train.jsonl")} has now (4 then, 3 now); put them back, or delete it, or choose another --output-dir`,
    );
    writeFileSync(path("train.jsonl"), before.train);
  });

  test("the same rows in another place are the same", async () => {
    const text = yaml();
    cpSync(path("train.jsonl"), path("moved.jsonl"));
    writeFileSync(experiment, text.replace(path("train.jsonl"), path("moved.jsonl")));
    await run("whole");
    writeFileSync(experiment, text);
  });

  /** As older versions wrote it. */
  const edit = (file: string) => {
    if (!existsSync(file)) return;
    const { origins, ...rest } = JSON.parse(readFileSync(file, "utf8"));
    expect(origins.rows).toBe(2);
    writeFileSync(file, JSON.stringify(rest));
  };
});
