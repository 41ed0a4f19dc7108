/** The core stands alone: a device is all that it is given, and it trains a model drawn at random. */

import { expect, test } from "bun:test";
import { SystemGpu } from "../beyond/platform/gpu.ts";
import { plainJudge } from "../lib/data/plain-judge.ts";
import { type Asked, prepareQuestions } from "../lib/data/questions.ts";
import { grpo } from "../lib/explore/advantages/grpo.ts";
import { OutcomeCounter } from "../lib/explore/counter.ts";
import { ucbCon } from "../lib/explore/methods/ucb-con.ts";
import type { Gpu } from "../lib/gpu/device.ts";
import { PolicyGradient } from "../lib/learn.ts";
import type { ModelConfig } from "../lib/model/config.ts";
import { Decoder } from "../lib/model/decoder.ts";
import { Sampler } from "../lib/model/generate.ts";
import { Kernels } from "../lib/model/ops/kernels.ts";
import { Ops } from "../lib/model/ops.ts";
import { Optimizer, OptimizerMemory } from "../lib/model/optimizer.ts";
import { ParameterLayout, Parameters } from "../lib/model/parameters.ts";
import { SamplerMemory } from "../lib/model/sampler-memory.ts";
import { TrainingMemory, TrainingPass } from "../lib/model/training-pass.ts";
import type { Policy } from "../lib/policy.ts";
import { Random } from "../lib/random.ts";
import { type StepReport, train } from "../lib/train.ts";

/** Spelled by the model: a token is a place in it, the last of which ends a completion. */
const ALPHABET = "0123456789+#.";
const END = ALPHABET.length - 1;

const tokenizer = {
  encodePrompt: ({ question }: Asked) => Array.from(question, (c) => ALPHABET.indexOf(c)),
  decode: (tokens: readonly number[]) =>
    tokens.map((token) => (token === END ? "" : ALPHABET[token])).join(""),
  decodeTokens: (tokens: readonly number[]) => ({
    text: tokenizer.decode(tokens),
    starts: tokens.map((_, i) => i),
  }),
};

const config: ModelConfig = {
  architecture: "Qwen3ForCausalLM",
  vocabSize: ALPHABET.length,
  hiddenSize: 16,
  intermediateSize: 32,
  numLayers: 2,
  numHeads: 2,
  numKeyValueHeads: 1,
  headDim: 8,
  rmsNormEps: 1e-6,
  ropeTheta: 10000,
  ropeScaling: null,
  maxPositionEmbeddings: 32,
  tieWordEmbeddings: true,
  qkvBias: false,
  qkNorm: true,
  bosTokenId: null,
  eosTokenIds: [END],
};

/** Everything of a policy, allocated, its weights drawn with a seed. */
function policyOn(gpu: Gpu): Policy {
  const layout = new ParameterLayout(config, gpu);
  const weights = new Parameters(gpu, layout, "weights", "weights");
  const gradients = new Parameters(gpu, layout, "gradients", "gradients");
  const random = new Random(1);
  for (const [name, shape] of layout.shapes) {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    weights.set(
      gpu,
      name,
      values.map(() => (shape.length === 1 ? 1 : 0.3 * random.gaussian())),
    );
  }
  const ropeTable = gpu.allocate("buffers", "RoPE table", 32 * config.headDim);
  const ops = new Ops(new Kernels(gpu.commands), config.headDim);
  const decoder = new Decoder(gpu, config, ropeTable, ops);
  const sizes = { rows: 8, promptSlots: 3, maxPromptTokens: 4, maxNewTokens: 8 };
  const adamw = {
    adamBeta1: 0.9,
    adamBeta2: 0.999,
    adamEpsilon: 1e-8,
    weightDecay: 0,
    maxGradNorm: 1,
  };
  return {
    gpu,
    tokenizer,
    stopIds: new Set([END]),
    weights,
    trained: weights,
    gradients,
    sampler: new Sampler(gpu, decoder, new SamplerMemory(gpu, config, sizes)),
    trainingPass: new TrainingPass(gpu, decoder, new TrainingMemory(gpu, config, 64)),
    optimizer: new Optimizer(gpu, ops, new OptimizerMemory(gpu, layout), adamw),
  };
}

test("two steps of training with the core alone move the weights and count what was seen", async () => {
  const gpu = await SystemGpu.open(undefined, { plain: true });
  try {
    const policy = policyOn(gpu);
    const rows = ["1+1", "2+2", "3+4"].map((question, i) => ({
      question,
      answer: String([2, 4, 7][i]),
      line: i + 1,
    }));
    const questions = prepareQuestions(tokenizer, rows, "rows", plainJudge);
    const before = await policy.trained.get(gpu, "model.norm.weight");
    const state = {
      step: 0,
      drawn: 0,
      updates: 0,
      counter: new OutcomeCounter(),
      solved: new Set<string>(),
    };
    const reports: StepReport[] = [];
    const settings = {
      maxSteps: 2,
      promptsPerStep: 3,
      numGenerations: 4,
      shuffleSeed: 1,
      seed: 1,
      scaleRewards: "none",
      filterZeroVariance: false,
      numIterations: 1,
      stepsPerGeneration: 1,
      learningRate: 1e-2,
      warmupSteps: 0,
      lrSchedulerType: "constant",
      lossType: "dapo",
      epsilonLow: 0.2,
      epsilonHigh: 0.2,
      beta: 0,
      klBiasCorrection: false,
      importanceSamplingLevel: "token",
      exploreTokens: "all",
      maskTruncatedCompletions: false,
      temperature: 1,
      topK: 0,
      topP: 1,
      minP: 0,
      maxCompletionLength: 8,
      stop: [],
    } as const;
    await train(
      {
        policy,
        learner: new PolicyGradient(policy, 64, settings),
        settings,
        advantage: { method: grpo, parameters: {} },
        exploration: [{ method: ucbCon, coefficient: 0.2, parameters: { b0: 0.5 } }],
        rewards: {
          terms: [{ part: "correct", weight: 1 }],
          answerForm: "any",
          maxCompletionLength: 8,
          overlongCache: 2,
        },
        questions: { count: questions.length, at: (place) => questions[place] },
        state,
      },
      { activity: () => {}, step: (report) => void reports.push(report) },
    );
    expect(reports.map(({ step }) => step)).toEqual([1, 2]);
    for (const { sums, groups } of reports) {
      expect(sums.ratio / sums.tokens).toBeCloseTo(1, 4);
      expect(sums.gradNorm).toBeGreaterThan(0);
      expect(groups.map(({ completions }) => completions.length)).toEqual([4, 4, 4]);
    }
    expect(rows.map(({ question }) => state.counter.total(question))).toEqual([8, 8, 8]);
    expect(await policy.trained.get(gpu, "model.norm.weight")).not.toEqual(before);
  } finally {
    gpu.destroy();
  }
});
