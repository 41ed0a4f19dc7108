import { describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configOf, ropeFactors } from "../../beyond/gguf/config.ts";
import { type MetadataValue, openGgufFile } from "../../beyond/gguf/format.ts";
import { openGgufModel } from "../../beyond/gguf/open.ts";
import { BLOCK_FORMATS } from "../../beyond/gguf/quantized.ts";
import { tokenizerFilesOf } from "../../beyond/gguf/tokenizer.ts";
import { parseModelConfig } from "../../beyond/models/config.ts";
import { decodeValues } from "../../beyond/models/dtypes.ts";
import { openSafetensors, readTensor } from "../../beyond/models/safetensors.ts";
import { Tokenizer, type TokenizerFiles } from "../../beyond/models/tokenizer.ts";
import { openNamedModel } from "../../beyond/opening/named-model.ts";
import { UserError } from "../../lib/errors.ts";
import golden from "../golden/tokenizer.json";

const file = (name: string) => `${import.meta.dir}/../golden/gguf-${name}`;

describe("blocks become the numbers that the Python package gguf gives", () => {
  test.each(Object.keys(BLOCK_FORMATS))("%s", async (type) => {
    const path = file("types.safetensors");
    const stored = await openSafetensors(Bun.file(path), path);
    const blocks = await stored.get(`${type}.blocks`)?.bytes.arrayBuffer();
    const values = await readTensor(stored, `${type}.values`);
    expect(decodeValues(blocks as ArrayBuffer, type)).toEqual(values);
  });
});

const models: [string, keyof typeof golden.tokenizers, string][] = [
  ["llama", "llama3", "LlamaForCausalLM"],
  ["qwen2", "qwen", "Qwen2ForCausalLM"],
  ["qwen3", "smollm", "Qwen3ForCausalLM"],
];
describe.each(models)("%s", (name, tokenizerName, architecture) => {
  test("has the weights that transformers reads, under their names", async () => {
    const { tensors } = await openGgufModel(file(`${name}.gguf`));
    const path = file(`${name}.safetensors`);
    const expected = await openSafetensors(Bun.file(path), path);
    expect([...tensors.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const key of expected.keys()) {
      expect([key, tensors.get(key)?.shape]).toEqual([key, expected.get(key)?.shape]);
      expect(await readTensor(tensors, key)).toEqual(await readTensor(expected, key));
    }
  });

  test("has the config it was made with", async () => {
    const { config } = await openGgufModel(file(`${name}.gguf`), { weights: false });
    const bytes = new Uint8Array(await Bun.file(file(`${name}.safetensors`)).arrayBuffer());
    const headerEnd = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, headerEnd)));
    const made = JSON.parse(header.__metadata__.config);
    expect(config).toMatchObject({
      architecture,
      vocabSize: made.vocab_size,
      hiddenSize: made.hidden_size,
      intermediateSize: made.intermediate_size,
      numLayers: made.num_hidden_layers,
      numHeads: made.num_attention_heads,
      numKeyValueHeads: made.num_key_value_heads,
      headDim: made.head_dim ?? made.hidden_size / made.num_attention_heads,
      rmsNormEps: made.rms_norm_eps,
      ropeTheta: made.rope_theta,
      maxPositionEmbeddings: made.max_position_embeddings,
      tieWordEmbeddings: made.tie_word_embeddings,
      eosTokenIds: [2],
    });
    expect(config.ropeScaling === null).toBe(made.rope_scaling === null);
    if (made.rope_scaling) expect(JSON.stringify(config.ropeScaling)).toContain("32");
  });

  test("has the tokenizer it was made with, and its chat template", async () => {
    const { files } = await openGgufModel(file(`${name}.gguf`), { weights: false });
    const tokenizer = new Tokenizer(files as TokenizerFiles, name);
    const { ids, json } = golden.tokenizers[tokenizerName];
    for (const [i, text] of golden.corpus.entries()) {
      expect([text, tokenizer.encode(text)]).toEqual([text, ids[i]]);
    }
    expect(tokenizer.vocabSize).toBe(Object.keys(json.model.vocab).length);
    expect(tokenizer.prefixIds).toEqual(name === "llama" ? [0] : []);
    expect(tokenizer.decode([tokenizer.eosId as number], true)).toBe("<|im_end|>");
    expect(files["tokenizer_config.json"]).toContain("{{ m.content }}");
  });
});

test.each([
  [8, 1, 4, 8192],
  [16, 1, 4, 8192],
  [2.5, 1, 4, 64],
  [8, 1, 2, 1024],
  [4, 2, 8, 256],
  [32, 1, 1.05, 512],
])("RoPE by %d, as Llama 3 scales it from %d to %d turns in %d", async (...numbers) => {
  const [factor, lowFreqFactor, highFreqFactor, length] = numbers;
  const blend = { lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings: length };
  const ropeScaling = { type: "llama3", factor, ...blend } as const;
  const gguf = await openGgufFile(Bun.file(file("qwen3.gguf")), "m.gguf");
  const factors = ropeFactors({ headDim: 32, ropeTheta: 1e6, ropeScaling });
  const config = parseModelConfig(JSON.stringify(configOf(gguf, factors, "m")), "m");
  expect(config.ropeScaling).toMatchObject({ type: "llama3", factor });
  const again = ropeFactors(config) ?? [];
  for (const [i, value] of again.entries()) expect(value).toBeCloseTo(factors?.[i] ?? 0, 3);
  if (length === 8192) expect(config.ropeScaling).toEqual(ropeScaling);
});

describe("a file of another name", () => {
  const folder = mkdtempSync(join(tmpdir(), "gguf-named-"));
  const path = join(folder, "sha256-0123");
  test("is told by what it begins with", async () => {
    cpSync(file("qwen3.gguf"), path);
    expect((await openNamedModel(path)).config.architecture).toBe("Qwen3ForCausalLM");
    writeFileSync(path, "PK");
    await expect(openNamedModel(path)).rejects.toThrow("sha256-0123 is no GGUF file");
    rmSync(folder, { recursive: true });
  });
});

describe("a hostile or damaged file is one clear error", () => {
  const folder = mkdtempSync(join(tmpdir(), "gguf-"));
  const path = join(folder, "x.gguf");
  const open = async (bytes: Uint8Array) => {
    writeFileSync(path, bytes);
    return openGgufModel(path);
  };
  const whole = async () => new Uint8Array(await Bun.file(file("qwen3.gguf")).arrayBuffer());

  test("cut anywhere", async () => {
    const bytes = await whole();
    const { tensors } = await openGgufFile(Bun.file(file("qwen3.gguf")), "x");
    const padding = [...tensors.values()].reduce(
      (sum, { bytes }) => sum - bytes.size,
      bytes.length,
    );
    expect(padding).toBeGreaterThan(0);
    for (let size = 0; size < bytes.length - 32; size += 1 + Math.floor(size / 40)) {
      const cut = open(bytes.slice(0, size));
      await expect(cut).rejects.toThrow(UserError);
      await expect(cut).rejects.toThrow(/x\.gguf (is corrupt or truncated: |is no GGUF file)/);
    }
    rmSync(folder, { recursive: true });
  });

  /** The header's fields from byte 4 on: version, tensors, entries, then whatever follows. */
  function header(version: number, tensors: bigint, entries: bigint, ...rest: number[]) {
    const data = new DataView(new ArrayBuffer(24 + rest.length));
    new Uint8Array(data.buffer).set([0x47, 0x47, 0x55, 0x46]);
    data.setUint32(4, version, true);
    data.setBigUint64(8, tensors, true);
    data.setBigUint64(16, entries, true);
    new Uint8Array(data.buffer).set(rest, 24);
    return new Blob([data]);
  }
  const u64 = (value: bigint) => [...new Uint8Array(new BigUint64Array([value]).buffer)];
  const u32 = (value: number) => [...new Uint8Array(new Uint32Array([value]).buffer)];
  const text = (value: string) => [
    ...u64(BigInt(value.length)),
    ...new TextEncoder().encode(value),
  ];
  const tensor = (name: string, shape: bigint[], type: number, offset: bigint) => [
    ...text(name),
    ...u32(shape.length),
    ...shape.flatMap(u64),
    ...u32(type),
    ...u64(offset),
  ];
  const filler = new Array(400).fill(0);
  const wrong: [string, Blob, RegExp][] = [
    ["no GGUF", new Blob(["PK\u0003\u0004 and more"]), /is no GGUF file/],
    ["an old version", header(1, 0n, 0n), /GGUF version 1; only 2 and 3/],
    ["the other byte order", header(0x03000000, 0n, 0n), /GGUF version 50331648/],
    ["2^60 tensors", header(3, 2n ** 60n, 0n), /has a size of/],
    ["2^40 tensors", header(3, 2n ** 40n, 0n, ...filler), /tensors do not fit/],
    ["2^40 entries", header(3, 0n, 2n ** 40n, ...filler), /entries do not fit/],
    ["a text of 2^40", header(3, 0n, 1n, ...u64(2n ** 40n), ...filler), /bytes of a text/],
    [
      "an array of 2^40",
      header(3, 0n, 1n, ...text("k"), ...u32(9), ...u32(4), ...u64(2n ** 40n), ...filler),
      /elements of an array do not fit/,
    ],
    [
      "arrays in arrays",
      header(
        3,
        0n,
        1n,
        ...text("k"),
        ...u32(9),
        ...Array.from({ length: 9 }, () => [...u32(9), ...u64(1n)]).flat(),
        ...filler,
      ),
      /nested too deep/,
    ],
    [
      "an unknown value",
      header(3, 0n, 1n, ...text("k"), ...u32(77), ...filler),
      /value of type 77/,
    ],
    [
      "a tensor of 2^40 elements",
      header(3, 1n, 0n, ...tensor("a", [2n ** 20n, 2n ** 20n], 0, 0n), ...filler),
      /bytes of at least 4398046511/,
    ],
    [
      "2^80 elements",
      header(3, 1n, 0n, ...tensor("a", [2n ** 40n, 2n ** 40n], 0, 0n), ...filler),
      /cannot have the shape/,
    ],
    ["9 dimensions", header(3, 1n, 0n, ...text("a"), ...u32(9), ...filler), /9 dimensions/],
    [
      "half a block",
      header(3, 1n, 0n, ...tensor("a", [33n], 8, 0n), ...filler),
      /type Q8_0 cannot have the shape \[33\]/,
    ],
    ...(
      [
        [10, "Q2_K"],
        [16, "IQ2_XXS"],
        [20, "IQ4_NL"],
        [29, "IQ1_M"],
        [35, "TQ2_0"],
        [39, "MXFP4"],
        [99, "number 99"],
      ] as const
    ).map(([type, name]): [string, Blob, RegExp] => [
      `type ${name}`,
      header(3, 1n, 0n, ...tensor("a", [256n], type, 0n), ...filler),
      new RegExp(`a is of type ${name}, which is not supported; take .* Q8_0 .*F16, BF16, .*Q6_K`),
    ]),
    [
      "one part of several",
      header(3, 0n, 1n, ...text("split.count"), ...u32(4), ...u32(3), ...filler),
      /is one of 3 parts of a model; join them: llama-gguf-split --merge/,
    ],
    [
      "overlapping tensors",
      header(3, 2n, 0n, ...tensor("a", [8n], 0, 0n), ...tensor("b", [8n], 0, 16n), ...filler),
      /b overlaps another tensor/,
    ],
    [
      "the same name twice",
      header(3, 2n, 0n, ...tensor("a", [8n], 0, 0n), ...tensor("a", [8n], 0, 32n), ...filler),
      /a is there twice/,
    ],
  ];
  test.each(wrong)("%s", async (_, blob, message) => {
    const opened = openGgufFile(blob, "m.gguf");
    await expect(opened).rejects.toThrow(UserError);
    await expect(opened).rejects.toThrow(message);
    await expect(opened).rejects.toThrow(/^m\.gguf[^\n]*$/);
  });

  test("no such file", async () => {
    await expect(openGgufModel("nowhere.gguf")).rejects.toThrow("nowhere.gguf: no such file");
  });

  test("what would change the computation, or the tokens, and is not known here", async () => {
    const gguf = await openGgufFile(Bun.file(file("qwen3.gguf")), "m.gguf");
    const changed = (changes: Record<string, MetadataValue>) => ({
      ...gguf,
      metadata: new Map([...gguf.metadata, ...Object.entries(changes)]),
    });
    const config = (changes: Record<string, MetadataValue>) =>
      configOf(changed(changes), null, "m.gguf");
    expect(() => config({ "general.architecture": "mamba" })).toThrow(/architecture mamba/);
    expect(() => config({ "qwen3.attention.sliding_window": 4096 })).toThrow(/sliding_window/);
    expect(() => config({ "qwen3.expert_count": 8 })).toThrow(/qwen3\.expert_count = 8/);
    expect(() => config({ "qwen3.expert_count": 0 })).not.toThrow();
    expect(() => config({ "qwen3.rope.dimension_count": 8 })).toThrow(/rope\.dimension_count/);
    expect(() => config({ "qwen3.rope.scaling.type": "yarn" })).toThrow(/scaled by yarn/);
    expect(() => config({ "qwen3.attention.head_count_kv": [1, 2] })).toThrow(/differs between/);
    expect(() => configOf(gguf, Float32Array.of(1, 2, 3), "m.gguf")).toThrow(/rope_freqs/);
    const tokenizer = (changes: Record<string, MetadataValue>) =>
      tokenizerFilesOf(changed(changes).metadata, "m.gguf");
    expect(() => tokenizer({ "tokenizer.ggml.model": "llama" })).toThrow(
      /of type llama \(SentencePiece\), .*; use the Hugging Face folder$/,
    );
    expect(() => tokenizer({ "tokenizer.ggml.pre": "odd" })).toThrow(
      /splits words as odd, only gpt-2, smollm, qwen2, llama-bpe are .*Hugging Face folder$/,
    );
    expect(() => tokenizer({ "tokenizer.ggml.tokens": 7 })).toThrow(/no tokenizer\.ggml\.tokens/);
    expect(() => tokenizer({ "tokenizer.ggml.merges": ["ab"] })).toThrow(/merge "ab" is no pair/);
    expect(() => tokenizer({ "tokenizer.ggml.token_type": [1] })).toThrow(/token_type/);
  });
});
