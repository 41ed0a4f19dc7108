import { expect, test } from "bun:test";
import {
  attentionChoice,
  attentionChoices,
  attentionKey,
  formatAttention,
  parseAttention,
} from "../../beyond/kernels/attention-choice.ts";
import { chooseVariants } from "../../beyond/kernels/variants.ts";

const shape = { heads: 9, kvHeads: 3, headDim: 64, dtype: "f32" } as const;
const gpu = chooseVariants("NVIDIA H100", false);
const matrices = { M: 16, N: 16, K: 16, shallow: false };

test("choices are read back as they were written, and what names nothing is not one", () => {
  for (const choice of attentionChoices(64, 49_152, matrices)) {
    expect(choice).toMatchObject(parseAttention(formatAttention(choice)) ?? {});
  }
  for (const text of ["", "tiled", "tiled x", "plain 1", "tiled -1", "tiled 1e4"]) {
    expect(parseAttention(text)).toBeUndefined();
  }
});

test("a tuned shape is computed as was chosen for it, others as is built in", () => {
  expect(attentionKey(shape)).toBe("attention 9x3x64 f32");
  const variants = { ...gpu, tuned: { [attentionKey(shape)]: "tiled 32768" } };
  expect(attentionChoice(variants, shape).attentionMemory).toBe(32_768);
  const { attention, attentionMemory } = gpu;
  const builtIn = { attention, attentionMemory };
  expect(attentionChoice(variants, { ...shape, dtype: "f16" })).toEqual(builtIn);
  expect(attentionChoice(gpu, shape)).toEqual(builtIn);
  const plain = { ...gpu, tuned: { [attentionKey(shape)]: "plain" } };
  expect(attentionChoice(plain, shape).attention).toBe("plain");
});

test("ways to compute it need no more memory than there is, and differ", () => {
  const names = (headDim: number, limit: number) =>
    attentionChoices(headDim, limit).map(formatAttention);
  expect(names(64, 16_384)).toEqual(["plain", "tiled 16384"]);
  expect(names(64, 49_152)).toEqual(["plain", "tiled 16384", "tiled 32768", "tiled 49152"]);
  expect(attentionChoices(64, 16_384, matrices).map(formatAttention)[1]).toBe("matrix 16384");
  expect(attentionChoices(72, 16_384, matrices).map(formatAttention)).toEqual(names(72, 16_384));
  // small heads fill the largest tile with less
  expect(names(16, 49_152)).toEqual(["plain", "tiled 16384", "tiled 32768"]);
});
