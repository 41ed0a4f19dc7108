import { expect, test } from "bun:test";
import { type AdamwState, adamwStep, clipFactor, globalNorm } from "../../beyond/oracle/adamw.ts";
import { tensorShapes } from "../../lib/model/parameters.ts";
import { LLAMA_GOLDENS, loadDecoderGolden } from "../golden/decoder.ts";
import optimizer from "../golden/optimizer.json";
import { expectClose } from "./compare.ts";
import { oracleDecoder } from "./decoder.ts";
import { packGroups } from "./packing.ts";

const exact = { relative: 1e-10 };

for (const name of LLAMA_GOLDENS) {
  test(`the oracle decoder equals transformers in float64, ${name}`, () => {
    const golden = loadDecoderGolden(name);
    const { config, weights, temperature, gradients, coefficients } = golden;
    expect([...weights.keys()].sort()).toEqual([...tensorShapes(config).keys()].sort());
    expect([...gradients.keys()].sort()).toEqual([...weights.keys()].sort());
    const decoder = oracleDecoder(config, weights);
    const batch = packGroups(golden.groups);
    const saved = decoder.forward(batch, temperature);
    expectClose(saved.logprobs, golden.logprobs, { ...exact, name: "logprobs" });
    expectClose(saved.entropies, golden.entropies, { ...exact, name: "entropies" });
    const computed = decoder.backward(batch, temperature, saved, coefficients);
    for (const [tensor, reference] of gradients) {
      expectClose(computed.get(tensor) as Float64Array, reference, { ...exact, name: tensor });
    }
  });
}

test("clipping and AdamW equal PyTorch's in float64", () => {
  const { lr, betas, eps, weight_decay } = optimizer.settings;
  const settings = {
    learningRate: lr,
    beta1: betas[0],
    beta2: betas[1],
    epsilon: eps,
    weightDecay: weight_decay,
  };
  let states: AdamwState[] = optimizer.parameters.map((parameters) => ({
    parameters: Float64Array.from(parameters),
    first: new Float64Array(parameters.length),
    second: new Float64Array(parameters.length),
  }));
  optimizer.steps.forEach(({ gradients, norm, parameters }, step) => {
    const raw = gradients.map((gradient) => Float64Array.from(gradient));
    const total = globalNorm(raw);
    expect(Math.abs(total - norm)).toBeLessThan(1e-12 * norm);
    const factor = clipFactor(total, optimizer.maxNorm);
    states = states.map((state, i) =>
      adamwStep(
        state,
        raw[i].map((g) => g * factor),
        step + 1,
        settings,
      ),
    );
    states.forEach((state, i) => {
      expectClose(state.parameters, Float64Array.from(parameters[i]), { relative: 1e-13 });
    });
  });
});
