/** docs/gradients.md: its formulas, numbers and quotations, against the float64 oracles and finite differences. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type AdamwState, adamwStep, clipFactor, globalNorm } from "../../beyond/oracle/adamw.ts";
import { attentionBackward, attentionForward } from "../../beyond/oracle/attention.ts";
import { gatherBackward, gatherForward } from "../../beyond/oracle/gather.ts";
import { logprobBackward, logprobForward } from "../../beyond/oracle/logprob.ts";
import {
  matmulBackwardInput,
  matmulBackwardWeight,
  matmulForward,
} from "../../beyond/oracle/matmul.ts";
import {
  rmsnormBackwardInput,
  rmsnormBackwardWeight,
  rmsnormForward,
} from "../../beyond/oracle/rmsnorm.ts";
import { ropeBackward, ropeForward } from "../../beyond/oracle/rope.ts";
import { swigluBackward, swigluForward } from "../../beyond/oracle/swiglu.ts";
import {
  type LossBatch,
  type LossSettings,
  lossNormalizer,
  policyLoss,
} from "../../lib/explore/loss.ts";
import { advantagesOf } from "../fakes.ts";
import { dot, expectClose, finiteDifferences } from "../oracle/compare.ts";
import { evaluate, fences, firstMissing, functionText, work } from "./page.ts";

const root = join(import.meta.dir, "../..");
const blocks = fences(readFileSync(join(root, "docs/gradients.md"), "utf8"));
const examples = blocks.filter(({ words }) => words[0] === "worked");
const quotes = blocks.filter(({ words }) => words[0] === "wgsl" || words[0] === "ts");

const checked = new Set<string>();

/** The values of the worked block of that name, joined for each list of names that is asked for. */
function worked(name: string): (...names: string[]) => Float64Array {
  checked.add(name);
  const example = examples.find(({ words }) => words[1] === name);
  if (example === undefined) throw new Error(`docs/gradients.md has no worked block "${name}"`);
  const values = work(example.lines);
  return (...names) =>
    Float64Array.from(
      names.flatMap((wanted) => {
        const value = values.get(wanted);
        if (value === undefined) throw new Error(`worked block "${name}" has no ${wanted}`);
        return [...value];
      }),
    );
}

const exact = { relative: 1e-8 };
const one = Float64Array.of(1);

test("paths", () => {
  const page = worked("paths");
  const [a, b] = [page("a"), page("b")];
  const loss = () => page("dy")[0] * (a[0] * b[0] + a[0]);
  expectClose(page("da"), finiteDifferences(loss, a), exact);
  expectClose(page("db"), finiteDifferences(loss, b), exact);
});

test("matmul", () => {
  const page = worked("matmul");
  const shape = { T: 2, K: 2, N: 2 };
  const [x, w, dy] = [page("x1", "x2"), page("W1", "W2"), page("dy1", "dy2")];
  const loss = () => dot(dy, matmulForward(x, w, shape));
  expectClose(page("y1", "y2"), matmulForward(x, w, shape), exact);
  expectClose(page("dx1", "dx2"), matmulBackwardInput(dy, w, shape), exact);
  expectClose(page("dx1", "dx2"), finiteDifferences(loss, x), exact);
  expectClose(page("dW1", "dW2"), matmulBackwardWeight(dy, x, shape), exact);
  expectClose(page("dW1", "dW2"), finiteDifferences(loss, w), exact);
});

test("embedding, tied", () => {
  const page = worked("embedding");
  const index = Uint32Array.of(1, 0, 1);
  const shape = { T: 1, K: 2, N: 2 };
  const [table, x, dLogits] = [page("E1", "E2"), page("x"), page("dlogits")];
  const dOut = page("dout1", "dout2", "dout3");
  expectClose(page("out1", "out2", "out3"), gatherForward(table, index, 2), exact);
  const ofHead = matmulBackwardWeight(dLogits, x, shape);
  expectClose(page("dE1", "dE2"), gatherBackward(dOut, index, 2, ofHead), exact);
  const loss = () =>
    dot(dOut, gatherForward(table, index, 2)) + dot(dLogits, matmulForward(x, table, shape));
  expectClose(page("dE1", "dE2"), finiteDifferences(loss, table), exact);
});

test("swiglu", () => {
  const page = worked("swiglu");
  const shape = { T: 1, ff: 2 };
  const [gateUp, da] = [page("g", "u"), page("da")];
  expectClose(page("a"), swigluForward(gateUp, shape), exact);
  expectClose(page("dg", "du"), swigluBackward(da, gateUp, shape), exact);
  const loss = () => dot(da, swigluForward(gateUp, shape));
  expectClose(page("dg", "du"), finiteDifferences(loss, gateUp), exact);
});

test("rmsnorm", () => {
  const page = worked("rmsnorm");
  const shape = { T: 1, d: 2 };
  const [x, w, dy] = [page("x"), page("w"), page("dy")];
  expectClose(page("y"), rmsnormForward(x, w, 0, shape), exact);
  expectClose(page("dx"), rmsnormBackwardInput(dy, x, w, 0, shape), exact);
  expectClose(page("paths"), page("dx"), exact);
  expectClose(page("dw"), rmsnormBackwardWeight(dy, x, 0, shape), exact);
  const loss = () => dot(dy, rmsnormForward(x, w, 0, shape));
  expectClose(page("dx"), finiteDifferences(loss, x), exact);
  expectClose(page("dw"), finiteDifferences(loss, w), exact);
});

test("rope", () => {
  const page = worked("rope");
  // No v: the oracle's fused tensor holds it, as zeros. A second key puts the token at position 1.
  const shape = { T: 1, heads: 1, kvHeads: 1, headDim: 2, theta: 10_000 };
  const spans = Uint32Array.of(0, 1, 1, 2);
  const cache = { k: new Float64Array(4), v: new Float64Array(4) };
  const qkv = Float64Array.of(...page("u"), 0, 0, 0, 0);
  const rest = { k: new Float64Array(4), v: new Float64Array(4) };
  const dq = page("dturned");
  expect(page("angle")).toEqual(one);
  expectClose(page("turned"), ropeForward(qkv, spans, shape, cache).q, exact);
  expectClose(page("du"), ropeBackward({ q: dq, ...rest }, spans, shape).slice(0, 2), exact);
  const loss = () => dot(dq, ropeForward(qkv, spans, shape, cache).q);
  expectClose(page("du"), finiteDifferences(loss, qkv).slice(0, 2), exact);
});

test("attention", () => {
  const page = worked("attention");
  const shape = { T: 1, heads: 2, kvHeads: 1, headDim: 2 };
  const spans = Uint32Array.of(0, 0, 0, 2);
  const input = { q: page("qa", "qb"), k: page("k1", "k2"), v: page("v1", "v2") };
  const dOut = page("doa", "dob");
  const output = attentionForward(input, spans, shape);
  expectClose(page("oa", "ob"), output.o, exact);
  expectClose(page("lsea", "lseb"), output.lse, exact);
  const gradient = attentionBackward(dOut, input, output, spans, shape);
  expectClose(page("deltaa", "deltab"), gradient.delta, exact);
  expectClose(page("average"), page("deltaa"), exact);
  const loss = () => dot(dOut, attentionForward(input, spans, shape).o);
  for (const [name, of] of [
    [["dqa", "dqb"], "q"],
    [["dk1", "dk2"], "k"],
    [["dv1", "dv2"], "v"],
  ] as const) {
    expectClose(page(...name), gradient[of], exact);
    expectClose(page(...name), finiteDifferences(loss, input[of]), exact);
  }
});

test("logprob", () => {
  const page = worked("logprob");
  const [logits, tau, dLogprob] = [page("logits"), page("tau")[0], page("dlogprob")];
  const target = Uint32Array.of(page("hit").indexOf(1));
  const forward = () => logprobForward(logits, target, tau);
  expectClose(page("logprob"), forward().logprobs, exact);
  expectClose(page("entropy"), forward().entropies, exact);
  expectClose(page("dlogits"), logprobBackward(dLogprob, logits, target, tau), exact);
  const loss = () => dot(dLogprob, forward().logprobs);
  expectClose(page("dlogits"), finiteDifferences(loss, logits), exact);
  const entropy = () => forward().entropies[0];
  expectClose(page("dentropy"), finiteDifferences(entropy, logits), exact);
});

test("advantage", () => {
  const page = worked("advantage");
  expectClose(page("A"), advantagesOf([page("r")], "none")[0], exact);
});

const clipped: LossSettings = {
  lossType: "grpo",
  epsilonLow: 0.2,
  epsilonHigh: 0.2,
  beta: 0,
  klBiasCorrection: false,
  importanceSamplingLevel: "token",
  maxCompletionLength: 8,
};

/** The step's loss and its gradient. */
function objective(batch: LossBatch, settings: LossSettings) {
  const lengths = Array.from(batch.offsets)
    .slice(1)
    .map((end, i) => end - batch.offsets[i]);
  const gradient = new Float64Array(batch.logprobs.length);
  const { loss } = policyLoss(batch, lossNormalizer(lengths, settings), settings, gradient);
  return { loss, gradient };
}

test("objective", () => {
  const page = worked("objective");
  const logprobs = page("l");
  const batch = {
    offsets: [0, 1, 4],
    logprobs,
    oldLogprobs: page("o"),
    refLogprobs: page("q"),
    advantages: page("a"),
  };
  const settings = { ...clipped, beta: page("beta")[0] };
  expectClose(page("value"), [objective(batch, settings).loss], exact);
  for (const [lossType, name] of [
    ["grpo", "dl_grpo"],
    ["dapo", "dl_dapo"],
    ["bnpo", "dl_dapo"],
    ["dr_grpo", "dl_dr_grpo"],
  ] as const) {
    const of = { ...settings, lossType };
    expectClose(page(name), objective(batch, of).gradient, exact);
    const loss = () => objective(batch, of).loss;
    expectClose(page(name), finiteDifferences(loss, logprobs), exact);
  }
  const corrected = { ...settings, klBiasCorrection: true };
  expectClose(page("corrected"), objective(batch, corrected).gradient, exact);
});

test("sequence", () => {
  const page = worked("sequence");
  const logprobs = page("l");
  const rest = { offsets: [0, 3], logprobs, oldLogprobs: page("o") };
  const settings: LossSettings = { ...clipped, importanceSamplingLevel: "sequence" };
  const same = { ...rest, advantages: page("a") };
  expectClose(page("same"), objective(same, settings).gradient, exact);
  const loss = () => objective(same, settings).loss;
  expectClose(page("same"), finiteDifferences(loss, logprobs), exact);
  expectClose(
    page("own"),
    objective({ ...rest, advantages: page("a2") }, settings).gradient,
    exact,
  );
});

test("adamw", () => {
  const page = worked("adamw");
  const number = (name: string) => page(name)[0];
  const settings = {
    learningRate: number("lr"),
    beta1: number("beta1"),
    beta2: number("beta2"),
    epsilon: number("epsilon"),
    weightDecay: number("wd"),
  };
  let state: AdamwState = {
    parameters: page("w"),
    first: new Float64Array(2),
    second: new Float64Array(2),
  };
  for (const step of [1, 2]) {
    const raw = page(`raw${step}`);
    const norm = globalNorm([raw]);
    expectClose(page(`norm${step}`), [norm], exact);
    const g = raw.map((value) => value * clipFactor(norm, number("max_norm")));
    expectClose(page(`g${step}`), g, exact);
    state = adamwStep(state, g, step, settings);
    expectClose(page(`m${step}`), state.first, exact);
    expectClose(page(`v${step}`), state.second, exact);
    expectClose(page(`w${step}`), state.parameters, exact);
  }
});

test("every worked block is one of these", () => {
  expect(examples.map(({ words }) => words[1]).sort()).toEqual([...checked].sort());
});

describe("what is quoted still stands", () => {
  for (const { words, lines } of quotes) {
    const [, file, name] = words;
    test(`${file}, ${name}: ${lines[0].trim()}`, () => {
      const path = join(root, file);
      if (!existsSync(path)) throw new Error(`docs/gradients.md quotes ${file}, which is gone`);
      const text = functionText(readFileSync(path, "utf8"), name);
      if (text === undefined) {
        throw new Error(`docs/gradients.md quotes ${name} of ${file}, which has no such function`);
      }
      const missing = firstMissing(lines, text);
      if (missing !== undefined) {
        throw new Error(
          `docs/gradients.md quotes a line that ${name} of ${file} no longer has there: ${missing}`,
        );
      }
    });
  }
});

describe("the reader of worked blocks notices", () => {
  const lines = ["x = 3, 4", "y = -x[1] + dot(x, x) / 2 = 9.5", "z = y * x = 28.5, 38.0"];

  test("nothing where nothing is wrong", () => {
    expect([...work(lines).values()].map((value) => [...value])).toEqual([
      [3, 4],
      [9.5],
      [28.5, 38],
    ]);
    expect(evaluate("-2^2 + (1, 2) * 3 - 1 - 1", new Map())).toEqual([-3, 0]);
  });

  for (const [what, from, to] of [
    ["a digit of what is given", "3, 4", "3, 5"],
    ["a digit of a result", "9.5", "9.6"],
    ["the sign of a result", "28.5", "-28.5"],
    ["the sign in a formula", "+ dot", "- dot"],
    ["an element too few", "28.5, 38.0", "28.5"],
    ["a name that is not given", "y * x", "y * w"],
    ["a formula without numbers", " = 9.5", ""],
  ]) {
    test(what, () => {
      expect(() => work(lines.map((line) => line.replace(from, to)))).toThrow();
    });
  }

  test("a quoted line that was changed, or stands elsewhere", () => {
    const text =
      functionText("fn f(a: u32) {\n  x();\n  y();\n}\nfn g() {\n  z();\n}\n", "f") ?? "";
    expect(firstMissing(["x();", "y();"], text)).toBeUndefined();
    expect(firstMissing(["y();", "x();"], text)).toBe("x();");
    expect(firstMissing(["z();"], text)).toBe("z();");
  });
});
