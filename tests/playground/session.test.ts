/** What the page's thread does when it is asked, without a page. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { train } from "../../beyond/commands/train.ts";
import { SystemGpu } from "../../beyond/platform/gpu.ts";
import { trainSettings } from "../../beyond/settings/arguments.ts";
import type { KeptTraining, News, Setup } from "../../playground/messages.ts";
import { loadModel, type ModelFiles } from "../../playground/model-files.ts";
import { DEFAULT_SETUP } from "../../playground/page/methods.ts";
import { openEmbedded } from "../../playground/trainer/model.ts";
import { Session } from "../../playground/trainer/session.ts";
import { shareGpu } from "../kernels.ts";

const SETUP: Setup = {
  ...DEFAULT_SETUP,
  promptsPerStep: 4,
  numGenerations: 4,
  learningRate: 1e-3,
  evalSteps: 0,
};

const heard: News[] = [];
const folder = mkdtempSync(join(tmpdir(), "rlexplore-session-"));
let gpu: SystemGpu;
let files: ModelFiles;
let session: Session;

shareGpu();
beforeAll(async () => {
  const folder = join(import.meta.dir, "../../models/base");
  files = await loadModel(async (name) => Bun.file(join(folder, name)));
  gpu = await SystemGpu.open();
  session = new Session(gpu, await openEmbedded(files), (news) => heard.push(news));
});
afterAll(() => {
  gpu?.destroy();
  rmSync(folder, { recursive: true });
});

/** The news of a kind that came last. */
function last<Is extends News["is"]>(is: Is): News & { is: Is } {
  return heard.findLast((news) => news.is === is) as News & { is: Is };
}

async function kept(): Promise<KeptTraining> {
  await session.do({ do: "keep" });
  return last("kept").training;
}

test("what the base model answers to a sum; what is none is refused", async () => {
  await session.do({ do: "ask", question: "23+7-4+9", seed: 1 });
  const { gold, answered } = last("asked");
  expect(gold).toBe("35");
  expect(answered.map(({ of }) => of)).toEqual(["base"]);
  const [{ answers }] = answered;
  expect(answers.question).toBe("23+7-4+9=");
  expect(answers.texts.length).toBe(32);
  expect(answers.correct).toEqual(answers.outcomes.map((outcome) => outcome === "35"));
  expect(answers.correct).toContain(true);
  for (const [typed, said] of [
    ["why?", /“why\?” is no sum/],
    ["1+2*3=", /is no sum/],
    ["11111+22222+33333+44444+55555", /too long: 3\d tokens of at most 24/],
  ] as const) {
    await session.do({ do: "ask", question: typed, seed: 1 });
    expect(last("failed")).toMatchObject({
      message: expect.stringMatching(said),
      isFatal: false,
    });
  }
});

test("a kept run goes on to the bits of one that was never stopped", async () => {
  await session.do({ do: "begin", setup: SETUP });
  for (let step = 0; step < 2; step++) await session.do({ do: "step" });
  const two = structuredClone(await kept());
  await session.do({ do: "step" });
  const three = await kept();
  expect(three.sides[1].weights).not.toEqual(two.sides[1].weights);
  // another run in between, in the same memory
  await session.do({ do: "begin", setup: { ...SETUP, seed: 7 } });
  expect((await kept()).sides[1].weights).not.toEqual(two.sides[1].weights);
  await session.do({ do: "goOnWith", training: two });
  expect(await kept()).toEqual(two);
  await session.do({ do: "step" });
  expect(last("step").step).toBe(3);
  expect(await kept()).toEqual(three);
  // and answers differ from the base model's by then
  await session.do({ do: "ask", question: "23+7-4+9", seed: 1 });
  const [base, left, right] = last("asked").answered;
  expect([base.of, left.of, right.of]).toEqual(["base", 0, 1]);
  expect([left.step, right.step]).toEqual([3, 3]);
  expect(right.answers.texts).not.toEqual(base.answers.texts);
});

test("a model that was taken along is one that the executable opens, and trains", async () => {
  await session.do({ do: "export", side: 1 });
  const { bytes } = last("exported");
  const model = join(folder, "model");
  mkdirSync(model);
  for (const [name, text] of Object.entries(files.texts)) writeFileSync(join(model, name), text);
  writeFileSync(join(model, "model.safetensors"), bytes);
  const run = join(folder, "run");
  const args = ["examples/arithmetic.jsonl", "--model", model, "--output-dir", run];
  // a step of nearly no length: what is saved is what was opened
  const small = "--max-steps 1 --learning-rate 1e-30 --prompts-per-step 2 --num-generations 2";
  await train(
    trainSettings([...args, ...small.split(" "), "--quiet"], () => {
      throw new Error("no run is resumed");
    }),
  );
  const saved = readFileSync(join(run, "checkpoint-1", "model.safetensors"));
  expect(saved.equals(bytes)).toBe(true);
});
