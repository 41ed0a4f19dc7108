import { describe, expect, test } from "bun:test";

/** Runs the program from its source. */
async function rlexplore(...args: string[]) {
  const process_ = Bun.spawn([process.execPath, "main.ts", ...args], {
    cwd: `${import.meta.dir}/..`,
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, RLEXPLORE_DEBUG: "" },
  });
  const [stdout, stderr] = await Promise.all([
    new Response(process_.stdout).text(),
    new Response(process_.stderr).text(),
  ]);
  return { code: await process_.exited, stdout, stderr };
}

describe("the command line", () => {
  test("says what there is", async () => {
    const { code, stdout } = await rlexplore();
    expect(code).toBe(0);
    for (const name of [
      "train",
      "plan",
      "sft",
      "sample",
      "chat",
      "sample-base",
      "eval",
      "compare",
      "data",
      "export",
      "report",
      "watch",
      "playground",
      "bandit",
      "gpu",
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
    }
    expect((await rlexplore("--version")).stdout).toMatch(/^rlexplore \d+\.\d+\.\d+ \(bun/);
    const help = await rlexplore("train", "data.jsonl", "--help");
    expect(help.code).toBe(0);
    expect(help.stdout).toContain("Usage:\n  $ bun main.ts train <data.jsonl> [options]");
    expect(help.stdout).toContain("--explore-coef");
    for (const args of [
      ["sample", "--help"],
      ["help", "sample"],
      ["sample", "1+1=", "-h"],
    ]) {
      const { stdout } = await rlexplore(...args);
      expect(stdout).toContain('$ bun main.ts sample "<question>" ... [options]');
      expect(stdout).toContain("--num-generations");
    }
  });

  const mistakes: [string[], string][] = [
    [["trian", "d"], "unknown command trian; did you mean train?"],
    [["toString"], "unknown command toString; bun main.ts --help lists those there are"],
    [
      ["train", "d", "--per_device_train_batch_size", "8"],
      "unknown flag --per_device_train_batch_size; did you mean --prompts-per-step?",
    ],
    [["train", "d", "--explor", "ucb"], "unknown flag --explor; did you mean --explore?"],
    [["train", "--resume", "nowhere"], "nowhere: no such run; check --resume"],
    [["data"], "data needs a file: bun main.ts data data.jsonl"],
    [["data", "make"], "data make needs a task: bun main.ts data make arithmetic|countdown"],
    [
      ["data", "make", "arithmetic", "--max-target", "9"],
      "--max-target is for countdown: leave it out",
    ],
    [
      ["data", "make", "countdown", "-o", "README.md"],
      "README.md already exists; choose another file for --output",
    ],
    [["chat"], "chat needs a model: bun main.ts chat runs/data-1"],
    [["sample"], 'sample needs a question: bun main.ts sample "23+7-4+9="'],
  ];
  test.each(mistakes)("one line and exit code 2 for %p", async (args, message) => {
    expect(await rlexplore(...args)).toEqual({
      code: 2,
      stdout: "",
      stderr: `rlexplore: ${message}\n`,
    });
  });
});
