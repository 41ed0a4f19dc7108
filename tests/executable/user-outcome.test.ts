import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { Program, QUESTIONS, RUNTIME } from "./program.ts";

let program: Program;
beforeAll(async () => {
  program = await Program.build();
  mkdirSync(program.path("own"));
  // TypeScript with a type, a file beside it, a package of the runtime, and the rest of the row
  program.write(
    "own/outcome.ts",
    `import { basename } from "node:path";
     import { last } from "./last.ts";
     const after = (ms: number) => new Promise((done) => setTimeout(done, ms));
     type Row = { question: string; answer: string; mode: string; nested: { weight: number } };
     export default (completion: string, row: Row) => {
       const outcome = last(completion);
       const judged = {
         outcome: outcome && basename("x/" + outcome),
         reward: row.nested.weight,
         correct: row.mode !== "wrong",
       };
       if (row.mode === "throws") throw new Error("boom");
       if (row.mode === "rejects") return Promise.reject("no reason");
       if (row.mode === "never") return new Promise(() => {});
       if (row.mode === "odd") return { outcome: 7, reward: "high" };
       return row.mode === "async" ? after(5).then(() => judged) : judged;
     };`,
  );
  program.write("own/last.ts", `export const last = (t: string) => t.match(/#(.+)/)?.[1] ?? null;`);
});
afterAll(() => program?.remove());

/** Where it throws: V8 points at the word `new`, JavaScriptCore behind it. */
const BOOM = `own/outcome.ts:12:${RUNTIME === "deno" ? 41 : 45}`;
const OWN = "--outcome ./own/outcome.ts";

/** A file of questions, one of each of these modes. */
function questions(name: string, modes: readonly string[]): string {
  const rows = modes.map((mode, i) => ({ ...QUESTIONS[i], mode, nested: { weight: 0.5 } }));
  return program.write(name, rows);
}

const passAt1 = (stdout: string): number =>
  JSON.parse(stdout.trim().split("\n").pop() as string).figures["pass@1"].value;

test("sync and async, with the rest of the row; what fails is no answer, and names its row", async () => {
  const modes = ["sync", "async", "throws", "rejects", "never", "odd"];
  const { code, stdout, stderr } = await program.run(
    `eval ${questions("all.jsonl", modes)} ${OWN} --outcome-timeout 0.3 --num-samples 1 --k 1 --json`,
  );
  expect(code).toBe(0);
  const consequence = "it counts as no answer, and nothing is learned from it";
  const shown = (row: number, what: string) =>
    `rlexplore: --outcome ./own/outcome.ts failed on row ${row}: ${what}; ${consequence}`;
  const result =
    '{ outcome: string | null, reward: number or parts, correct?: boolean }, or null, not {"outcome":7,"reward":"high"}';
  expect(stderr.trim().split("\n")).toEqual([
    shown(3, `${BOOM}: boom`),
    shown(4, "no reason"),
    shown(5, "no result within 0.3 s (--outcome-timeout)"),
    shown(6, `it must return ${result}`),
  ]);
  expect(passAt1(stdout)).toBeCloseTo(2 / 6, 9);
});

test("its reward is what a run learns from, its word decides what is solved", async () => {
  const data = questions("weights.jsonl", ["sync", "wrong"]);
  await program.succeed(
    `train ${data} ${OWN} --prompts-per-step 2 --num-generations 4 --max-steps 1 --output-dir run --quiet`,
  );
  const database = new Database(program.path("run", "ledger.sqlite"), { readonly: true });
  const groups = database
    .query(
      "SELECT slot, SUM(correct) correct, SUM(outcome IS NOT NULL) n, SUM(reward) reward FROM rollouts GROUP BY 1",
    )
    .all() as { correct: number; n: number; reward: number }[];
  database.close();
  expect(groups.map(({ correct }) => correct > 0).sort()).toEqual([false, true]);
  expect(groups.map(({ reward }) => reward)).toEqual(groups.map(({ n }) => n / 2));
  expect(program.steps("run")[0]).toMatchObject({
    solved: 0.5,
    rewardParts: { user: expect.any(Number) },
  });
});

test("too many failures end the run, in one line", async () => {
  const data = questions("failing.jsonl", ["throws", "sync"]);
  const { code, stderr } = await program.run(`eval ${data} ${OWN} --num-samples 40 --k 1 --quiet`);
  expect(code).toBe(2);
  expect(stderr.trim().split("\n").pop()).toBe(
    `rlexplore: --outcome ./own/outcome.ts failed on row 1: ${BOOM}: boom (21 of 21 calls failed; the run ends here)`,
  );
});

test("mathematical answers are judged in their thread, by their values too", async () => {
  const measure = async (answer: string) => {
    const data = program.write("math.jsonl", [{ ...QUESTIONS[0], answer }]);
    return passAt1(
      await program.succeed(`eval ${data} --outcome math --num-samples 32 --k 1 --json`),
    );
  };
  const plain = await measure("11");
  expect(plain).toBeGreaterThan(0);
  // its key is 11 + sin(pi), the value of which is 11
  expect(await measure("11+\\sin(\\pi)")).toBe(plain);
});

test("own code from its beginning to a run, in a folder without packages", async () => {
  for (const kind of ["bonus", "advantage", "reward"]) {
    await program.succeed(`new ${kind} ./own/my-${kind}.ts`);
    const shown = await program.succeed(`check ./own/my-${kind}.ts`);
    expect(shown).toContain(kind === "reward" ? "courage -1" : "\n9             0              0");
  }
  const types = program.read("own/rlexplore.d.ts").toString();
  expect(types).toContain('declare module "rlexplore"');
  const data = program.write("own.jsonl", QUESTIONS);
  await program.succeed(
    `train ${data} --explore ./own/my-bonus.ts,batch --half-life 2 --advantage ./own/my-advantage.ts --gain 3 ` +
      "--reward correct=1,./own/my-reward.ts,brevity=0.1 --prompts-per-step 2 --num-generations 4 --max-steps 2 " +
      "--output-dir own-run --quiet",
  );
  const { settings, origins } = JSON.parse(program.read("own-run", "config.json").toString());
  expect(settings).toMatchObject({
    halfLife: 2,
    gain: 3,
    explore: expect.stringContaining("my-bonus.ts,batch"),
  });
  expect(Object.keys(origins.own).length).toBe(3);
  const parts = {
    correct: expect.any(Number),
    brevity: expect.any(Number),
    courage: expect.any(Number),
  };
  expect(program.steps("own-run")[1].rewardParts).toEqual(parts);
});

test("a bonus that fails in a later step: the steps before it are saved, and weights have not moved since", async () => {
  program.write(
    "own/nan.ts",
    `import { ucb } from "rlexplore";
     export default { name: "nan", signal: (group) => ucb.signal(group, {}).map((b) => (group.step > 2 ? 0 / 0 : b)) };`,
  );
  const data = program.write("nan.jsonl", QUESTIONS.slice(0, 1));
  const { code, stderr } = await program.run(
    `train ${data} --explore ./own/nan.ts --prompts-per-step 1 --num-generations 4 --max-steps 9 --output-dir nan --quiet`,
  );
  expect(code).toBe(2);
  expect(stderr.trim().split("\n")).toEqual([
    expect.stringMatching(
      /^rlexplore: --explore \.\/own\/nan\.ts, step 3, question "10\+1-1\+1=": signal returned NaN for completion 1, which is no finite number; saved after step 2, go on with: .* train --resume nan$/,
    ),
  ]);
  const { state } = JSON.parse(
    program.read("nan", "checkpoint-2", "trainer", "trainer_state.json").toString(),
  );
  expect({ drawn: state.drawn, updates: state.updates }).toEqual({ drawn: 2, updates: 2 });
  expect(program.lines("nan", "metrics.jsonl").length).toBe(2);
});

test("what own code throws when nobody waits for it is one line; the step is saved", async () => {
  program.write(
    "own/late.ts",
    `let calls = 0;
     const lose = async () => { await new Promise((done) => setTimeout(done, 1)); throw new Error("nobody waits"); };
     export default () => {
       if (++calls === 5) lose();
       return calls;
     };`,
  );
  const data = program.write("late.jsonl", QUESTIONS);
  const { code, stdout, stderr } = await program.run(
    `train ${data} --reward ./own/late.ts --prompts-per-step 2 --num-generations 2 --max-steps 400 --output-dir late --quiet`,
  );
  expect(code).toBe(2);
  expect(stderr.trim()).toMatch(
    /^rlexplore: --reward \.\/own\/late\.ts threw in a timer or a promise that nothing waits for: own\/late\.ts:2:\d+: nobody waits$/,
  );
  const [, step] =
    /stopped after step (\d+); go on with: .* train --resume late/.exec(stdout) ?? [];
  expect(program.read("late", `checkpoint-${step}`, "config.json").length).toBeGreaterThan(0);
});
