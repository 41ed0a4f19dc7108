import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ASSUMED_LIMITS, plan as runPlan, waysToTrain } from "../../beyond/commands/plan.ts";
import { train } from "../../beyond/commands/train.ts";
import {
  fits,
  type PolicyNeeds,
  planMemory,
  trainingNeeds,
} from "../../beyond/memory/memory-plan.ts";
import { flagsOf, smallestFit } from "../../beyond/memory/savings.ts";
import { parseModelConfig } from "../../beyond/models/config.ts";
import { openEmbeddedModel } from "../../beyond/models/embedded.ts";
import { SystemGpu } from "../../beyond/platform/gpu.ts";
import { planSettings, trainSettings } from "../../beyond/settings/arguments.ts";
import type { ModelConfig } from "../../lib/model/config.ts";

const GIB = 2 ** 30;
const folder = mkdtempSync(join(tmpdir(), "rlexplore-plan-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

const noRun = () => {
  throw new Error("no run is read");
};
const settingsOf = (line: string) => ({
  ...trainSettings(["data.jsonl", ...line.split(" ").filter(Boolean)], noRun),
  maxCompletionLength: 256,
});

/** Configs of published models, as the hub has them. */
function configOf(name: string): ModelConfig {
  const path = `${import.meta.dir}/../configs/${name}/config.json`;
  return parseModelConfig(readFileSync(path, "utf8"), path);
}

describe("a plan says what a run allocates", () => {
  let gpu: SystemGpu;
  let config: ModelConfig;
  const data = join(folder, "sums.jsonl");
  beforeAll(async () => {
    gpu = await SystemGpu.open();
    config = (await openEmbeddedModel({ weights: false })).config;
    const sums = ["10+1-1+1=", "11+2+1+1="].map((question) => ({ question, answer: "11" }));
    writeFileSync(data, sums.map((row) => JSON.stringify(row)).join("\n"));
  });
  afterAll(() => gpu.destroy());

  test.each([
    "--gradient-checkpointing --beta 0.1 --micro-batch-tokens 3000",
    "--lora-rank 8 --sampling-batch-size 7 --max-completion-length 17 --kv-cache-tokens 100",
  ])("within 5 %% of all the buffers it makes: %p", async (line) => {
    const run = "--max-steps 1 --prompts-per-step 2 --num-generations 2 --quiet --explore batch";
    const words = `${run} --output-dir ${mkdtempSync(join(folder, "run-"))}/1 ${line}`;
    const settings = trainSettings([data, ...words.split(" ").filter(Boolean)], noRun);
    const device = Object.getPrototypeOf(gpu.device) as GPUDevice;
    const original = device.createBuffer;
    let bytes = 0;
    device.createBuffer = function (descriptor) {
      bytes += descriptor.size;
      return original.call(this, descriptor);
    };
    try {
      await train(settings);
    } finally {
      device.createBuffer = original;
    }
    const maxCompletionLength = settings.maxCompletionLength ?? config.maxPositionEmbeddings >> 1;
    const needs = trainingNeeds({ ...settings, maxCompletionLength }, "10+1-1+1=".length);
    const { total } = planMemory(config, gpu, needs);
    expect(Math.abs(total / bytes - 1)).toBeLessThan(0.05);
  });
});

test("no more completions have memory than a step samples, unless held-out questions are asked", () => {
  const rowsOf = (flags: string) => trainingNeeds(settingsOf(flags), 9).sampling.rows;
  expect(rowsOf("--prompts-per-step 3 --num-generations 4")).toBe(12);
  expect(rowsOf("--prompts-per-step 3 --num-generations 4 --sampling-batch-size 7")).toBe(7);
  expect(rowsOf("--prompts-per-step 3 --num-generations 4 --eval-file held-out.jsonl")).toBe(128);
});

test("the configs are those of the models, by their published numbers of parameters", () => {
  const parameters = (name: string) => {
    const needs = trainingNeeds(settingsOf(""), 512);
    const room = { piece: GIB, total: null, halves: true };
    return waysToTrain(configOf(name), ASSUMED_LIMITS, room, needs)[0].trained;
  };
  expect(parameters("qwen2.5-0.5b")).toBe(494_032_768);
  expect(parameters("qwen2.5-1.5b")).toBe(1_543_714_304);
  expect(parameters("llama-3.1-8b")).toBe(8_030_261_248);
  expect(parameters("qwen3-8b")).toBe(8_190_735_360);
});

describe("the smallest settings that fit", () => {
  const needs = trainingNeeds(settingsOf(""), 512);
  const fitOf = (model: string, gib: number, way: number) => {
    const room = { piece: GIB, total: gib * GIB, halves: true };
    return waysToTrain(configOf(model), ASSUMED_LIMITS, room, needs)[way].fit;
  };

  test("0.5B in full in 12 GiB, 1.5B with LoRA in 8 GiB, 8B with LoRA in 24 GiB", () => {
    expect(fitOf("qwen2.5-0.5b", 12, 0).fits).toBe(true);
    expect(fitOf("qwen2.5-1.5b", 8, 1).fits).toBe(true);
    expect(fitOf("llama-3.1-8b", 24, 1).fits).toBe(true);
    expect(fitOf("qwen3-8b", 24, 1).fits).toBe(true);
  });

  test("are none where everything fits, and all there are where nothing helps", () => {
    expect(fitOf("qwen2.5-0.5b", 100, 0).savings).toEqual([]);
    const hopeless = fitOf("qwen3-8b", 4, 0);
    expect(hopeless.fits).toBe(false);
    expect(flagsOf(hopeless.savings)).toContain("--gradient-checkpointing");
  });

  test("fit, and none of them can be left out or be milder", () => {
    const config = configOf("qwen2.5-0.5b");
    for (const gib of [5, 6, 8.2, 9, 10, 12, 14]) {
      const room = { piece: GIB, total: gib * GIB, halves: true };
      const fit = smallestFit(config, ASSUMED_LIMITS, room, needs);
      const applied = (savings: { apply: (needs: PolicyNeeds) => PolicyNeeds }[]) =>
        planMemory(
          config,
          ASSUMED_LIMITS,
          savings.reduce((sum, { apply }) => apply(sum), needs as PolicyNeeds),
        );
      const savings = fit.savings;
      expect(applied(savings).total).toBe(fit.plan.total);
      expect(fits(applied(savings), room)).toBe(true);
      for (const left of savings) {
        expect(fits(applied(savings.filter((saving) => saving !== left)), room)).toBe(false);
      }
    }
  });

  test("obey the limit of one tensor too", () => {
    const limits = { ...ASSUMED_LIMITS, bindingLimit: 2 ** 27, bufferLimit: 2 ** 27 };
    const room = { piece: 2 ** 27, total: null, halves: true };
    const fit = smallestFit(configOf("qwen2.5-0.5b"), limits, room, needs);
    expect(flagsOf(fit.savings)).toBe("--micro-batch-tokens 2048");
  });

  test("hold fewer tokens rather than fewer completions, if the sampler can", () => {
    const config = configOf("qwen2.5-0.5b");
    const sampling = { rows: 64, samplesPerPrompt: 8, maxPromptTokens: 512, maxNewTokens: 4096 };
    const fitOf = (cacheTokens?: number | null) => {
      const room = { piece: GIB, total: 6 * GIB, halves: false };
      const asked = { sampling: { ...sampling, cacheTokens } };
      return flagsOf(smallestFit(config, ASSUMED_LIMITS, room, asked).savings);
    };
    expect(fitOf(null)).toBe("--kv-cache-tokens 133888"); // half of 9 prompts and 64 completions, in blocks of 16
    expect(fitOf(200_000)).toBe("--kv-cache-tokens 100000");
    expect(fitOf()).toBe("--sampling-batch-size 32");
  });

  test("leave room for a prompt and its completion in a micro-batch", () => {
    const long = trainingNeeds(settingsOf(""), 1700);
    const room = { piece: GIB, total: 7 * GIB, halves: true };
    const fit = waysToTrain(configOf("qwen2.5-1.5b"), ASSUMED_LIMITS, room, long)[1].fit;
    const tokens = /--micro-batch-tokens (\d+)/.exec(flagsOf(fit.savings))?.[1];
    expect(Number(tokens ?? 1956)).toBeGreaterThanOrEqual(1956);
  });
});

describe("the command", () => {
  const plan = async (...args: string[]) => {
    const child = Bun.spawn([process.execPath, "main.ts", "plan", ...args], {
      cwd: `${import.meta.dir}/../..`,
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { code: await child.exited, stdout, stderr };
  };
  const model = "tests/configs/qwen2.5-0.5b";

  test("shows both ways by part, and a command line that fits", async () => {
    const args = ["--model", model, "--memory", "12GiB", "--stop", "The end's"];
    const { code, stdout } = await plan(...args);
    expect(code).toBe(0);
    for (const part of ["weights", "optimizer", "KV cache", "in all"]) {
      expect(stdout).toMatch(new RegExp(`^${part} .* [KMG]iB .* [KMG]iB$`, "m"));
    }
    const [, line] = /^ {2}bun main.ts (train .*)$/m.exec(stdout) ?? [];
    expect(line).toBe(
      `train data.jsonl --model ${model} --stop 'The end'\\''s' --gradient-checkpointing`,
    );
    const { ways } = JSON.parse((await plan(...args, "--json")).stdout);
    expect(ways[0]).toMatchObject({ fits: false, with: ["--gradient-checkpointing"] });
    expect(ways[1]).toMatchObject({ fits: true, with: [] });
    const none = JSON.parse((await plan("--model", model, "--memory", "1GiB", "--json")).stdout);
    expect(none.ways[0]).toMatchObject({ fits: false, with: null });
    expect(ways[0].trained).toBe(494_032_768);
  });

  test("says what fewer tokens in the KV cache save, and refuses too few of them", async () => {
    const long =
      "--memory 40GiB --max-completion-length 4000 --micro-batch-tokens 4512 --sampling-batch-size 64";
    const settings = planSettings(["--model", model, ...long.split(" ")]);
    const said = spyOn(console, "log").mockImplementation(() => {});
    const lineOf = async (given: Partial<typeof settings>) => {
      said.mockClear();
      await runPlan({ ...settings, ...given });
      return /^KV cache: .*$/m.exec(said.mock.calls.join("\n"))?.[0];
    };
    try {
      expect(await lineOf({})).toBe(
        "KV cache: 6.0 GiB hold all completions at their longest, 260,736 tokens; with --kv-cache-tokens 130368 they share 3.0 GiB, which is enough if on average they are half as long",
      );
      expect(await lineOf({ kvCacheTokens: 40_000 })).toBe(
        "KV cache: 937.5 MiB for 40,000 tokens at once; 6.0 GiB hold all completions at their longest, 260,736 tokens",
      );
      expect(await lineOf({ kvCacheTokens: 10 ** 6 })).toMatch(
        /fewer than --kv-cache-tokens allows$/,
      );
      expect(await lineOf({ samplingBatchSize: 1 })).toBeUndefined();
      await expect(lineOf({ kvCacheTokens: 4500 })).rejects.toThrow(/give 4528 or more, or lower/);
    } finally {
      said.mockRestore();
    }
  });

  test("refuses what makes no sense, in a line", () => {
    const refused: [string, RegExp][] = [
      ["--memory 12", /--memory must be a size such as 12GiB, not "12"/],
      ["--resume runs/x", /plan takes no --resume/],
      ["--kernels plain --kv-cache-tokens 5000", /--kernels plain has no use for/],
      ["data.jsonl --max-prompt-length 9", /has prompts of its own/],
      ["a b", /plan takes one data file/],
    ];
    for (const [line, message] of refused) {
      expect(() => planSettings(line.split(" "))).toThrow(message);
    }
    const { line } = planSettings(["--memory", "1GB", "--quiet", "--beta", "0.1"]);
    expect([...line.keys()]).toEqual(["beta"]);
    expect(planSettings(["--memory", "1.5GB"]).memory).toBe(1.5e9);
    expect(planSettings(["--memory", "12gib"]).memory).toBe(12 * GIB);
  });
});
