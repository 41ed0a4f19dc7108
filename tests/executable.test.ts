import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { finish, Program, parseLines, QUESTIONS } from "./executable/program.ts";

const TINY = "--prompts-per-step 2 --num-generations 2";
/** Six small steps with a checkpoint after every other one. */
const SMALL =
  "--prompts-per-step 4 --num-generations 4 --learning-rate 1e-3 --max-steps 6 --save-steps 2 --save-total-limit 9";

let program: Program;
beforeAll(async () => {
  program = await Program.build();
  program.write("data.jsonl", QUESTIONS);
  program.write("held-out.jsonl", QUESTIONS.slice(0, 3));
  await program.succeed(`train data.jsonl ${SMALL} --output-dir whole --quiet`);
});
afterAll(() => program?.remove());

/** All that a run ends with: weights, moments, the trainer's state, and every rollout. */
function expectSameEnd(run: string) {
  for (const name of ["model.safetensors", "trainer/optimizer.safetensors"]) {
    const [a, b] = [run, "whole"].map((folder) => program.read(folder, "checkpoint-6", name));
    expect(a.equals(b)).toBe(true);
  }
  const state = (folder: string) =>
    JSON.parse(program.read(folder, "checkpoint-6", "trainer", "trainer_state.json").toString())
      .state;
  expect(state(run)).toEqual(state("whole"));
  expect(rollouts(run)).toEqual(rollouts("whole"));
  expect(program.steps(run).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
}

function rollouts(run: string): unknown[] {
  const database = new Database(program.path(run, "ledger.sqlite"));
  try {
    return database
      .query(
        `SELECT step, slot, sample, text, completion, outcome, reward, exploration
         FROM rollouts JOIN questions ON questions.id = question ORDER BY step, slot, sample`,
      )
      .all();
  } finally {
    database.close();
  }
}

describe("train", () => {
  test("leaves a run folder, and ends in a table of before and after", async () => {
    const stdout = await program.succeed(
      `train data.jsonl ${TINY} --max-steps 2 --output-dir run --eval-file held-out.jsonl --eval-samples 4`,
    );
    expect(stdout).toMatch(/^memory [\d.]+ MiB: weights .*, optimizer .*, activations .*KV cache/m);
    expect(stdout).toMatch(/^warning: each of the 6 questions will be visited 0\.7 times/m);
    const labels = "loss reward pass@1 distinct solved entropy grad.norm sampling learning ETA";
    expect(stdout).toMatch(new RegExp(`^step 1/2  ${labels.split(" ").join(" .*")} `, "m"));
    expect(stdout.split("\n").slice(-7)).toEqual([
      "Held out: 3 questions, 4 samples each, temperature 1",
      expect.stringMatching(/^ +pass@1 +pass@2 +pass@4 +distinct$/),
      expect.stringMatching(/^base( +\d\.\d+){4}$/),
      expect.stringMatching(/^trained( +\d\.\d+){4}$/),
      expect.stringMatching(/^change( +[-+]\d\.\d+){4}$/),
      "the model is in run/checkpoint-2",
      "",
    ]);

    const files = "checkpoint-2 config.json ledger.sqlite metrics.jsonl".split(" ");
    expect(readdirSync(program.path("run"))).toEqual(expect.arrayContaining(files));
    expect(readdirSync(program.path("run", "checkpoint-2")).sort()).toEqual([
      "README.md",
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
      "trainer",
    ]);
    const config = JSON.parse(program.read("run", "config.json").toString());
    const data = program.path("data.jsonl");
    expect(config.settings).toMatchObject({ data, maxSteps: 2, explore: "ucb-con", b0: 0.5 });
    expect(config.versions).toMatchObject({
      rlexplore: expect.any(String),
      [program.runtime]: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    });
    expect(config.adapter.name).toEqual(expect.any(String));
    expect(program.steps("run").map(({ step }) => step)).toEqual([1, 2]);
    expect(rollouts("run").length).toBe(8);
  });

  test("--json: an object a line; --quiet: the result alone", async () => {
    const one = `train data.jsonl ${TINY} --max-steps 1`;
    const json = parseLines(await program.succeed(`${one} --output-dir json --json`));
    const step = json.find(({ type }) => type === "step");
    expect(step).toMatchObject({ step: 1, total: 1, reward: expect.any(Number) });
    expect(json.at(-1)).toEqual({ type: "saved", path: "json/checkpoint-1" });
    expect(await program.succeed(`${one} --output-dir quiet --quiet`)).toBe(
      "the model is in quiet/checkpoint-1\n",
    );
    expect(program.steps("quiet")[0].loss).toBe(step.loss);
  });

  test("every part of the method at once", async () => {
    const flags = `
      --explore ucb-con,batch --explore-coef 0.2,0.1 --explore-tokens reasoning --filter-zero-variance
      --scale-rewards group --loss-type dr_grpo --importance-sampling-level sequence --beta 0.05
      --epsilon 0.1 --epsilon-high 0.28 --num-iterations 2 --steps-per-generation 2
      --mask-truncated-completions --lr-scheduler-type cosine --warmup-steps 1 --weight-decay 0.1
      --temperature 0.9 --min-p 0.01 --top-k 12 --top-p 0.95 --stop #9 --max-completion-length 20
      --eval-file held-out.jsonl --eval-steps 1 --eval-samples 2 --save-best --log-completions
      --prompts-per-step 4 --num-generations 4 --max-steps 3 --output-dir all --seed 7`;
    const stdout = await program.succeed(`train data.jsonl ${flags.trim().replace(/\s+/g, " ")}`);
    expect(stdout).toMatch(/ {2}KL \d/);
    expect(stdout).toMatch(/^ {2}.* -> (\S+|no answer), reward [01], exploration -?\d\.\d{3}$/m);
    expect(program.steps("all").at(-1).kl).toBeGreaterThan(0);
  });

  test("without a Vulkan driver, and without a home to write to", async () => {
    // Deno itself stops where its home is a file
    const nothing = { HOME: "/proc/nobody", XDG_CACHE_HOME: "/dev/null" };
    const { code, stdout } = await program.run(`train data.jsonl ${TINY} --max-steps 1`, {
      env: { RLEXPLORE_GPU: "", VK_DRIVER_FILES: "/dev/null", ...nothing },
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^SwiftShader .*embedded: no GPU and no usable Vulkan driver found/m);
    expect(stdout).toEndWith("the model is in runs/data-1/checkpoint-1\n");
  });
});

describe("a run that was cut short", () => {
  test("killed in the middle and resumed: the same weights and counts", async () => {
    const running = program.start(`train data.jsonl ${SMALL} --output-dir killed`);
    await program.reached("killed", 3);
    running.kill("SIGKILL");
    await running.exited;
    expect(existsSync(program.path("killed", "checkpoint-6"))).toBe(false);
    const stdout = await program.succeed("train --resume killed");
    expect(stdout).toMatch(/^resumed after step [24]$/m);
    expectSameEnd("killed");
  });

  test.each([
    ["SIGINT", "stopped"],
    ["SIGHUP", "hung-up"],
  ] as const)(
    "%s: the step is finished and saved, and the way back is said",
    async (signal, name) => {
      const running = program.start(`train data.jsonl ${SMALL} --output-dir ${name} --quiet`);
      await program.reached(name, 2);
      running.kill(signal);
      const { code, stdout, stderr } = await finish(running);
      expect({ code, stderr }).toEqual({ code: 130, stderr: "" });
      const said = /^stopped after step (\d); go on with: \S*rlexplore (.*)\n$/.exec(stdout);
      const [, step, command] = said ?? [];
      expect(existsSync(program.path(name, `checkpoint-${step}`))).toBe(true);
      expect(existsSync(program.path(name, "checkpoint-6"))).toBe(false);
      await program.succeed(command);
      expectSameEnd(name);
    },
  );

  test("a second process on the same run is refused, the first goes on", async () => {
    const running = program.start(`train data.jsonl ${SMALL} --output-dir busy --quiet`);
    await program.reached("busy", 1);
    running.kill("SIGSTOP");
    const second = await program.run("train --resume busy --quiet");
    running.kill("SIGCONT");
    expect(second).toEqual({
      code: 2,
      stdout: "",
      stderr:
        "rlexplore: busy/ledger.sqlite is in use: another rlexplore writes this run; stop it first\n",
    });
    expect((await finish(running)).code).toBe(0);
    expectSameEnd("busy");
  });
});

describe("models in and out", () => {
  const completions = (stdout: string) => stdout.match(/^ {2}.* {2}-> .+$/gm)?.length;
  const question = "23+7-4+9=";

  test("sample: the embedded model, a checkpoint, a run", async () => {
    expect(completions(await program.succeed(`sample ${question} -n 8`))).toBe(8);
    const stdout = await program.succeed(`sample --model whole/checkpoint-6 ${question} -n 8`);
    expect(completions(stdout)).toBe(8);
    expect(await program.succeed(`sample --model whole ${question} -n 8`)).toBe(stdout);
    const json = parseLines(await program.succeed(`sample ${question} 1+2+3+4= -n 2 --json`));
    expect(json.map((line) => line.question)).toEqual([question, question, "1+2+3+4=", "1+2+3+4="]);
  });

  test("report: draws a run, with nothing beside it", async () => {
    const stdout = await program.succeed("report whole -o page.html");
    expect(stdout).toMatch(/^page\.html: 1 run, \d\d charts, [\d.]+ MB$/m);
    const page = program.read("page.html").toString();
    expect(page.match(/<svg /g)?.length).toBeGreaterThan(10);
    expect(page).toContain('id="training-reward"');
  });

  test("eval: a checkpoint copied away is a model like any other", async () => {
    cpSync(program.path("whole", "checkpoint-6"), program.path("copy"), { recursive: true });
    rmSync(program.path("copy", "trainer"), { recursive: true });
    const stdout = await program.succeed(
      "eval held-out.jsonl --model copy --compare whole --num-samples 4",
    );
    const lines = stdout.trimEnd().split("\n");
    const title = "held-out.jsonl: 3 questions, 4 samples each, temperature 1, 95 % intervals";
    const [head, ...rows] = lines.slice(lines.indexOf(title) + 1);
    expect(head).toMatch(/^ +whole +copy +change$/);
    expect(rows.map((row) => row.split(" ")[0])).toEqual([
      ...["pass", "maj", "diff"].flatMap((name) => [1, 2, 4].map((k) => `${name}@${k}`)),
      "area",
      "distinct-solved@4",
      "distinct-unsolved@4",
      ...["entropy", "entropy-correct", "entropy-incorrect", "no-answer", "truncated", "length"],
    ]);
    // the same weights, asked the same: nothing changed, whatever the interval of each alone
    expect(rows[0]).toEndWith("  +0.000 (+0.000, +0.000)");

    const json = await program.succeed("eval held-out.jsonl --num-samples 4 --k 1,4 --json");
    const { type, figures, questions } = parseLines(json).at(-1);
    expect({ type, questions }).toEqual({ type: "evaluation", questions: 3 });
    expect(Object.keys(figures).slice(0, 2)).toEqual(["pass@1", "pass@4"]);
    const read = (path: string) => JSON.parse(readFileSync(program.path(path), "utf8"));
    const tallies = read("whole/evaluations/held-out-6.eval.json").questions;
    expect(tallies.map(({ samples }: { samples: number }) => samples)).toEqual([4, 4, 4]);
    expect(read("evaluations/held-out-copy.json").questions).toEqual(tallies);
    expect(read("evaluations/held-out-embedded.json").step).toBeNull();
  });

  test("sft, then train and sample from what it made", async () => {
    const texts = QUESTIONS.map(({ question: prompt, answer }) => {
      return { prompt, completion: `#${answer}` };
    });
    program.write("texts.jsonl", texts);
    const stdout = await program.succeed(
      "sft texts.jsonl --max-steps 12 --rows-per-step 6 --learning-rate 3e-3 --save-steps 5 --output-dir warm",
    );
    expect(stdout).toEndWith("12 steps done; the model is in warm/checkpoint-12\n");
    const losses = program.steps("warm").map(({ loss }) => loss);
    expect(losses[11]).toBeLessThan(losses[0] / 2);
    expect(existsSync(program.path("warm", "checkpoint-10"))).toBe(true);
    expect(completions(await program.succeed(`sample --model warm ${question}`))).toBe(1);
    await program.succeed(
      `train data.jsonl --model warm ${TINY} --max-steps 1 --output-dir warm-rl`,
    );
  });

  test("a LoRA run, and the full model it is merged into", async () => {
    await program.succeed(
      `train data.jsonl ${TINY} --lora-rank 4 --max-steps 1 --output-dir lora --quiet`,
    );
    await program.succeed("merge lora --output-dir merged");
    for (const model of ["lora", "merged"]) {
      expect(completions(await program.succeed(`sample --model ${model} ${question}`))).toBe(1);
    }
    const exported = await program.run("export merged --gguf merged.gguf");
    expect(exported.stderr).toMatch(/^rlexplore: merged: GGUF has no name for .*\n$/);
    expect(exported.code).toBe(2);
  });

  test("sft --from-scratch knows nothing at first", async () => {
    await program.succeed(
      "sft texts.jsonl --from-scratch --max-steps 1 --output-dir scratch --quiet",
    );
    const [{ loss }] = program.steps("scratch");
    // one of 16 tokens, all about as likely
    expect(Math.abs(loss - Math.log(16))).toBeLessThan(0.3);
  });
});
