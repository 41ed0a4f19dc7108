/** A policy made of text, for tests of the loop around it: no GPU, and every call is on record. */
import { plainJudge } from "../lib/data/plain-judge.ts";
import { prepareQuestions, type Question } from "../lib/data/questions.ts";
import { grpo } from "../lib/explore/advantages/grpo.ts";
import { type Advantage, rewardAdvantages, type ScaleRewards } from "../lib/explore/advantages.ts";
import type { Group } from "../lib/explore/method.ts";
import type { Completion, GenerationRequest, GenerationSettings } from "../lib/model/completion.ts";
import type { PackedBatch } from "../lib/model/packing.ts";
import type { Policy, Tokenizer } from "../lib/policy.ts";

/** A token is the code of a character; these two spell nothing. */
const END = 0;
export const SILENT = "\u0001";

const encode = (text: string) => Array.from(text, (c) => c.charCodeAt(0));

export const tokenizer: Tokenizer = {
  decode: (tokens) =>
    tokens
      .filter((token) => token > 1)
      .map((token) => String.fromCharCode(token))
      .join(""),
  decodeTokens(tokens) {
    const starts = tokens.map((_, i) => this.decode(tokens.slice(0, i), true).length);
    return { text: this.decode(tokens, true), starts };
  },
};

/** Questions by text and right answer. */
export const questionsOf = (answers: Record<string, string>): Question[] =>
  prepareQuestions(
    { encodePrompt: ({ question }) => encode(question) },
    Object.entries(answers).map(([question, answer], i) => ({ question, answer, line: i + 1 })),
    "test",
    plainJudge,
  );

/** GRPO's advantages. */
export const GRPO: Advantage = { method: grpo, parameters: {} };

/** A group as methods see it, of which only some is told: nothing was seen before, nothing is right or earns. */
export function groupOf(given: Partial<Group>): Group {
  const n = Math.max(given.outcomes?.length ?? 0, given.rewards?.length ?? 0);
  const outcomes = given.outcomes ?? Array(n).fill("1");
  const counts = given.counts ?? Array(n).fill(0);
  return {
    question: "q",
    outcomes,
    counts,
    history: new Map(outcomes.map((outcome, i) => [outcome, counts[i]])),
    correct: Array(n).fill(false),
    rewards: Array(n).fill(0),
    parts: Array(n).fill({}),
    logprobs: Array(n).fill([-1]),
    entropies: Array(n).fill([0.5]),
    truncated: Array(n).fill(false),
    step: 1,
    maxSteps: 1,
    ...given,
  };
}

/** The advantages of groups of which only the rewards count. */
export const advantagesOf = (groups: readonly ArrayLike<number>[], scale: ScaleRewards) =>
  rewardAdvantages(
    groups.map((rewards) => groupOf({ rewards })),
    GRPO,
    scale,
  );

/** A completion that the tokens of this text are; `logprob` is that of each of them. */
export function completionOf(text: string, logprob = -1, finished = true): Completion {
  const tokens = finished ? [...encode(text), END] : encode(text);
  return {
    tokens,
    logprobs: tokens.map(() => logprob),
    entropies: tokens.map(() => 0.5),
    finished,
  };
}

interface Pass {
  weights: unknown;
  temperature: number;
  /** What the batch predicts. */
  text: string;
  tokens: number;
}

/** What was asked of a fake policy. */
export interface Calls {
  generated: {
    prompt: string;
    slot: number;
    samples: number;
    known?: number;
    settings: GenerationSettings;
  }[];
  /** Every forward pass with a backward one behind it or without. */
  passes: Pass[];
  /** The gradients with respect to the predictions of a pass. */
  gradients: { text: string; values: number[] }[];
  /** Of the weights. */
  updates: { rate: number; number: number; learned: string[] }[];
  cleared: number;
}

export interface FakePolicy {
  policy: Policy;
  calls: Calls;
}

interface Fake {
  /** What the policy answers; text beyond the limit is cut off, and the rest ends with a stop token. */
  say?: (prompt: string, sample: number, step: number, slot: number) => string;
  /** The log-probability of every token, in each pass. */
  logprob?: (isReference: boolean) => number;
  reference?: boolean;
  gradNorm?: number | null;
}

export function fakePolicy({
  say = () => "",
  logprob = () => -1,
  reference = false,
  gradNorm = 1,
}: Fake = {}): FakePolicy {
  const calls: Calls = { generated: [], passes: [], gradients: [], updates: [], cleared: 0 };
  const [weights, referenceWeights] = [{ name: "weights" }, { name: "reference" }];
  let learned: string[] = [];
  const policy = {
    tokenizer,
    stopIds: new Set([END]),
    weights,
    reference: reference ? referenceWeights : undefined,
    sampler: {
      async generate(_: unknown, requests: GenerationRequest[], settings: GenerationSettings) {
        return requests.map(({ prompt, samples, slot, known }) => {
          const asked = tokenizer.decode(Array.from(prompt), true);
          calls.generated.push({ prompt: asked, slot, samples, known, settings });
          return Array.from({ length: samples }, (_, i) =>
            grown(say(asked, i, settings.step, slot), settings),
          );
        });
      },
    },
    trainingPass: {
      async logprobs(
        given: unknown,
        { targets, tokens, predictions }: PackedBatch,
        temperature: number,
        logprobs: Float32Array,
      ) {
        const text = tokenizer.decode(Array.from(targets.subarray(0, predictions)), true);
        calls.passes.push({ weights: given, temperature, text, tokens });
        logprobs.fill(logprob(given === referenceWeights), 0, predictions);
      },
      backward(
        _weights: unknown,
        _gradients: unknown,
        { targets, predictions }: PackedBatch,
        temperature: number,
        dLogprobs: Float32Array,
      ) {
        const pass = calls.passes[calls.passes.length - 1];
        if (pass.weights !== weights || pass.temperature !== temperature) {
          throw new Error("a backward pass must follow its forward pass");
        }
        const text = tokenizer.decode(Array.from(targets.subarray(0, predictions)), true);
        calls.gradients.push({ text, values: Array.from(dLogprobs.subarray(0, predictions)) });
        learned.push(text);
      },
    },
    gradients: { clear: () => calls.cleared++ },
    optimizer: {
      async update(_trained: unknown, _gradients: unknown, rate: number, number: number) {
        calls.updates.push({ rate, number, learned });
        learned = [];
        return gradNorm;
      },
    },
  };
  return { policy: policy as unknown as Policy, calls };
}

/** The text as a sampler would have let it grow. */
function grown(text: string, { maxNewTokens, isOver }: GenerationSettings): Completion {
  const tokens: number[] = [];
  let finished = false;
  for (const token of [...encode(text), END]) {
    tokens.push(token);
    finished = token === END || (isOver?.(tokens) ?? false);
    if (finished || tokens.length === maxNewTokens) break;
  }
  return {
    tokens,
    logprobs: tokens.map(() => -1),
    entropies: tokens.map(() => 0.5),
    finished,
  };
}
