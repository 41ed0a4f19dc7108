import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openGgufModel } from "../../beyond/gguf/open.ts";
import { mergesOf } from "../../beyond/gguf/sentencepiece.ts";
import { type Entry, encodeGguf } from "../../beyond/gguf/write.ts";
import { readTensor } from "../../beyond/models/safetensors.ts";
import { Tokenizer, type TokenizerFiles } from "../../beyond/models/tokenizer.ts";
import { readPacked } from "../../beyond/storage/weight-formats.ts";
import { modelTensors } from "../../lib/model/parameters.ts";
import { loadDecoderGolden } from "../golden/decoder.ts";

const folder = mkdtempSync(join(tmpdir(), "gguf-gemma-"));
const path = join(folder, "gemma.gguf");

const CONTROL = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"];
const OWN = ["\n", "\n\n", "  "]; // user-defined
const BYTES = ["<0xE2>", "<0x82>", "<0xAC>"];
const NORMAL = ["▁t", "▁th", "he", "▁the", "▁", "t", "h", "e", "m", "o", "d", "l", "u", "s", "r"];
const tokens = [...CONTROL, ...OWN, ...BYTES, ...NORMAL];
while (tokens.length < 37) tokens.push(`<unused${tokens.length}>`);
const typeOf = (token: string) => {
  if (CONTROL.includes(token) || token.startsWith("<unused")) return 3;
  return OWN.includes(token) ? 4 : BYTES.includes(token) ? 6 : 1;
};

/** The golden model as llama.cpp's converter writes Gemma: norms with their 1, pieces with scores. */
async function write(changes: Entry[] = []): Promise<void> {
  const { config, weights } = loadDecoderGolden("gemma3");
  const count = (key: string, value: number): Entry => ({ key, type: "u32", value });
  const real = (key: string, value: number | number[]): Entry => ({ key, type: "f32", value });
  const text = (key: string, value: string | string[]): Entry => ({ key, type: "string", value });
  const metadata: Entry[] = [
    text("general.architecture", "gemma3"),
    count("gemma3.context_length", 64),
    count("gemma3.embedding_length", config.hiddenSize),
    count("gemma3.block_count", config.numLayers),
    count("gemma3.feed_forward_length", config.intermediateSize),
    count("gemma3.attention.head_count", config.numHeads),
    count("gemma3.attention.head_count_kv", config.numKeyValueHeads),
    count("gemma3.attention.key_length", config.headDim),
    count("gemma3.attention.value_length", config.headDim),
    real("gemma3.attention.layer_norm_rms_epsilon", config.rmsNormEps),
    count("gemma3.attention.sliding_window", 5),
    text("tokenizer.ggml.model", "llama"),
    text("tokenizer.ggml.tokens", tokens),
    real(
      "tokenizer.ggml.scores",
      tokens.map((token, id) => (typeOf(token) === 1 ? -id : -1000)),
    ),
    { key: "tokenizer.ggml.token_type", type: "i32", value: tokens.map(typeOf) },
    count("tokenizer.ggml.bos_token_id", 2),
    count("tokenizer.ggml.eos_token_id", 1),
    { key: "tokenizer.ggml.add_bos_token", type: "bool", value: true },
    { key: "tokenizer.ggml.add_space_prefix", type: "bool", value: false },
    text("tokenizer.chat_template", "{{ bos_token }}<start_of_turn>{{ '<end_of_turn>' }}"),
    ...changes,
  ];
  const tensors = modelTensors(config).map(({ name, gguf, shape }) => {
    const offset = shape.length === 1 ? 1 : 0;
    const data = () =>
      Float32Array.from(weights.get(name) as Float64Array, (value) => value + offset);
    return { name: gguf, shape, type: "F32" as const, data };
  });
  await Bun.write(path, await new Response(encodeGguf(metadata, tensors) as never).arrayBuffer());
}

test("Gemma 3 from GGUF: config, weights less the 1 of norms, and tokens", async () => {
  await write();
  const golden = loadDecoderGolden("gemma3");
  const { config, tensors, files } = await openGgufModel(path);
  expect(config).toEqual({
    ...golden.config,
    ropeTheta: 1e6,
    ropeScaling: null,
    queryScalar: golden.config.headDim,
    sliding: { window: 5, ropeTheta: 10000, layers: [true, true, true] },
    bosTokenId: 2,
    eosTokenIds: [1, 5], // <end_of_turn>, which the template has, too
  });
  for (const [name, values] of golden.weights) {
    const read = await readTensor(tensors, name);
    const packed = new Float32Array((await readPacked(tensors, name, "f32")).buffer);
    expect(packed).toEqual(read);
    values.forEach((value, i) => {
      expect(Math.abs(read[i] - value)).toBeLessThan(2e-7);
    });
  }

  const tokenizer = new Tokenizer(files as TokenizerFiles, "gemma");
  const ids = (...names: string[]) => names.map((name) => tokens.indexOf(name));
  expect(tokenizer.prefixIds).toEqual(ids("<bos>"));
  const cases: [string, number[]][] = [
    [" the model", ids("▁the", "▁", "m", "o", "d", "e", "l")],
    ["th he", ids("t", "h", "▁", "he")],
    ["<start_of_turn>user\n\n\n", ids("<start_of_turn>", "u", "s", "e", "r", "\n\n", "\n")],
    ["€  t", ids(...BYTES, "  ", "t")],
  ];
  for (const [text, expected] of cases) {
    expect([text, tokenizer.encode(text)]).toEqual([text, expected]);
    expect(tokenizer.decode(expected, true)).toBe(text);
  }
});

test("merges are those of transformers' generate_merges", () => {
  // made of the same pieces by that function of transformers 5.23.0
  const pieces = ["a", "b", "ab", "ba", "aba", "é", "éa", "abab"].map((text, id) => ({
    text,
    id,
    score: text.length > 2 ? -5 : -id,
  }));
  expect(mergesOf(pieces)).toEqual([
    ["a", "b"],
    ["b", "a"],
    ["aba", "b"],
    ["ab", "ab"],
    ["ab", "a"],
    ["a", "ba"],
    ["é", "a"],
  ]);
});

test("a SentencePiece tokenizer that puts a space first is refused", async () => {
  await write([{ key: "tokenizer.ggml.add_space_prefix", type: "bool", value: true }]);
  await expect(openGgufModel(path)).rejects.toThrow(/of type llama \(SentencePiece\)/);
  rmSync(folder, { recursive: true });
});
