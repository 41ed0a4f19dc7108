// Writes all that rlexplore saves, of a small random model of every family, and what it computes from it
// itself; other programs then read it and compare:
//   node scripts/bun.js tests/golden/outputs.ts FOLDER [MODEL ...]
//   /tmp/golden/bin/python tests/golden/check_outputs.py FOLDER       transformers, PEFT
//   /tmp/vllm/bin/python tests/golden/check_vllm.py FOLDER            vLLM
//   node FOLDER/check_outputs.mjs FOLDER                              llama.cpp
//   node scripts/bun.js tests/golden/outputs.ts FOLDER --read [MODEL ...]   the way back: what transformers saved
// The headers of the checks say how to install what they need. For each model M, FOLDER/M holds
//   base/, full/checkpoint-3, lora/checkpoint-3, merged/   models and the adapter, each saved by its command
//   f16.gguf, q8_0.gguf, gguf/checkpoint-1                 full/checkpoint-3 exported, and a run from f16.gguf
//   expected.safetensors   log p of every token of the vocabulary after each of `positions` tokens of each
//                          sequence, by base, full, lora, merged and gguf, [positions, vocabulary]
//   expected.json          sequences; texts with their tokens; prompts; greedy continuations by each GGUF file
//                          (greedy), by full, lora and merged (folders), and at each of their tokens the margin
//                          between the two likeliest
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sft } from "../../beyond/commands/sft.ts";
import { merge } from "../../beyond/export/merge.ts";
import { exportModel } from "../../beyond/export/model.ts";
import { newConfig, parseModelConfig } from "../../beyond/models/config.ts";
import type { ModelFolder } from "../../beyond/models/folder.ts";
import { encodeSafetensors, openSafetensors, readTensor } from "../../beyond/models/safetensors.ts";
import { openNamedModel, prompterOf, tokenizerOf } from "../../beyond/opening/named-model.ts";
import { OpenPolicy, openGpu } from "../../beyond/opening/policy.ts";
import { exportSettings, mergeSettings, sftSettings } from "../../beyond/settings/arguments.ts";
import { PackedBatch } from "../../lib/model/packing.ts";
import { tensorShapes } from "../../lib/model/parameters.ts";
import { Random } from "../../lib/random.ts";
import golden from "./tokenizer.json";

type TokenizerName = keyof typeof golden.tokenizers;
interface Variant {
  architecture: string;
  modelType: string;
  tokenizer: TokenizerName;
  config?: Record<string, unknown>;
  /** Flags of the LoRA run. */
  lora: string;
  /** GGUF has no name for some tokenizers. */
  exported?: false;
}

const SHAPE = {
  hidden_size: 128, // vLLM has no attention for heads of 16
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  max_position_embeddings: 512,
  tie_word_embeddings: false,
};
const LLAMA3 = {
  rope_type: "llama3",
  factor: 32,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};
const llama = { architecture: "LlamaForCausalLM", modelType: "llama" };
const mistral = { architecture: "MistralForCausalLM", modelType: "mistral" };
const ALL = "--lora-rank 8 --lora-alpha 32";
const VARIANTS: Record<string, Variant> = {
  smollm2: {
    ...llama,
    tokenizer: "smollm",
    config: { tie_word_embeddings: true, rope_theta: 100000 },
    lora: ALL,
  },
  llama3: {
    ...llama,
    tokenizer: "llama3",
    config: { rope_theta: 500000, rope_scaling: LLAMA3 },
    lora: ALL,
  },
  linear: {
    ...llama,
    tokenizer: "gpt2",
    config: { rope_scaling: { rope_type: "linear", factor: 4 }, num_key_value_heads: 4 },
    lora: "--lora-rank 4 --lora-alpha 6 --lora-targets q_proj,v_proj",
  },
  mistral: { ...mistral, tokenizer: "llama3", config: { sliding_window: null }, lora: ALL },
  "mistral-sentencepiece": {
    ...mistral,
    tokenizer: "sentencepiece",
    config: { sliding_window: null, num_key_value_heads: 1 },
    lora: ALL,
    exported: false,
  },
  qwen2: {
    architecture: "Qwen2ForCausalLM",
    modelType: "qwen2",
    tokenizer: "qwen",
    config: { rms_norm_eps: 1e-6, rope_theta: 1000000, num_key_value_heads: 1 },
    lora: ALL,
  },
  qwen3: {
    architecture: "Qwen3ForCausalLM",
    modelType: "qwen3",
    tokenizer: "qwen",
    config: { head_dim: 64, tie_word_embeddings: true, rope_theta: 1000000 },
    lora: "--lora-rank 4 --lora-targets o_proj,gate_proj,up_proj,down_proj",
  },
  gemma3: {
    architecture: "Gemma3ForCausalLM",
    modelType: "gemma3_text",
    tokenizer: "qwen",
    config: {
      ...{ num_hidden_layers: 4, head_dim: 32, query_pre_attn_scalar: 24, rms_norm_eps: 1e-6 },
      ...{ sliding_window: 24, sliding_window_pattern: 3, rope_theta: 1000000 },
      layer_types: ["sliding", "sliding", "full", "sliding"].map((kind) => `${kind}_attention`),
      ...{ rope_local_base_freq: 10000, hidden_activation: "gelu_pytorch_tanh" },
      tie_word_embeddings: true,
    },
    lora: ALL,
    exported: false,
  },
};
const TEMPLATE =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const QUESTIONS = [
  "What is 12*12?",
  "Wie heißt die Hauptstadt? 👩‍👩‍👧",
  "def f(x):\n  return 345 ²",
];
const SYSTEM = "Answer in one word.";
/** So many tokens at the end of each sequence are judged; the first is long enough to show RoPE's scaling. */
const POSITIONS = 4;
const NEW_TOKENS = 16;
const FAST = "--rows-per-step 2 --learning-rate 1e-2 --quiet";

const [folder, ...more] = process.argv.slice(2);
const isRead = more[0] === "--read";
const chosen = isRead ? more.slice(1) : more;
if (!folder) throw new Error("name the folder to write to");
const gpu = await openGpu(null);

/** A random model whose logits differ clearly from token to token. */
async function writeBase(path: string, variant: Variant, seed: number): Promise<void> {
  const { json } = golden.tokenizers[variant.tokenizer];
  const vocabulary = Math.max(...Object.values(json.model.vocab)) + 5; // padded, as many models are
  const config = {
    architectures: [variant.architecture],
    model_type: variant.modelType,
    vocab_size: vocabulary,
    ...SHAPE,
    ...variant.config,
    bos_token_id: json.model.vocab["<|endoftext|>"],
    eos_token_id: json.model.vocab["<|im_end|>"],
  };
  const tokenizerConfig = {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: "<|endoftext|>",
    eos_token: "<|im_end|>",
    chat_template: TEMPLATE,
    clean_up_tokenization_spaces: false,
  };
  mkdirSync(path, { recursive: true });
  const random = new Random(seed);
  const norm = variant.modelType === "gemma3_text" ? [0, 0.2] : [1, 0.2]; // Gemma multiplies by 1 + w
  const shapes = tensorShapes(parseModelConfig(JSON.stringify(config), path));
  const tensors = Array.from(shapes, ([name, shape]) => {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const [mean, deviation] =
      shape.length > 1 ? [0, shape[1] ** -0.5] : name.endsWith("bias") ? [0, 0.5] : norm;
    for (let i = 0; i < values.length; i++) values[i] = mean + deviation * random.gaussian();
    return { name, shape, data: () => values };
  });
  writeFileSync(join(path, "config.json"), newConfig(config));
  writeFileSync(join(path, "tokenizer.json"), JSON.stringify(json));
  writeFileSync(join(path, "tokenizer_config.json"), JSON.stringify(tokenizerConfig));
  await Bun.write(join(path, "model.safetensors"), await joined(encodeSafetensors(tensors)));
}

const joined = async (pieces: AsyncIterable<Uint8Array>) =>
  new Blob((await Array.fromAsync(pieces)) as Uint8Array<ArrayBuffer>[]);

/** log p of every token of the vocabulary after each of the prefixes, [prefixes, vocabulary]. */
async function logprobsAfter(name: string, prefixes: number[][]): Promise<Float32Array> {
  const model = await openNamedModel(name);
  const { vocabSize } = model.config;
  const tokens = 1024;
  const optimizer = { adamBeta1: 0, adamBeta2: 0, adamEpsilon: 1, weightDecay: 0, maxGradNorm: 1 };
  const learning = { microBatchTokens: tokens, optimizer, reference: false };
  const { weights, trainingPass } = await OpenPolicy.open(gpu, model, { learning });
  const batch = new PackedBatch(tokens);
  const everyToken = Array.from({ length: vocabSize }, (_, id) => [id]);
  const out = new Float32Array(prefixes.length * vocabSize);
  for (const [i, prefix] of prefixes.entries()) {
    batch.clear();
    batch.add(prefix, everyToken);
    const row = out.subarray(i * vocabSize, (i + 1) * vocabSize);
    await trainingPass.logprobs(weights, batch, 1, row, new Float32Array(tokens));
  }
  return out;
}

/** The last POSITIONS prefixes of each sequence. */
const lastPrefixes = (sequences: number[][]) =>
  sequences.flatMap((sequence) =>
    Array.from({ length: POSITIONS }, (_, i) =>
      sequence.slice(0, sequence.length - POSITIONS + 1 + i),
    ),
  );

interface Continuations {
  tokens: number[][];
  margins: number[][];
}

/** By how much the likeliest token is ahead of the second, at every token of greedy continuations. */
async function marginsOf(name: string, prompts: number[][], continuations: number[][]) {
  const prefixes = prompts.flatMap((prompt, p) =>
    continuations[p].map((_, i) => [...prompt, ...continuations[p].slice(0, i)]),
  );
  const logprobs = await logprobsAfter(name, prefixes);
  const vocabulary = logprobs.length / prefixes.length;
  let row = 0;
  return continuations.map((tokens) =>
    tokens.map(() => {
      const [second, first] = logprobs
        .slice(row++ * vocabulary, row * vocabulary)
        .sort()
        .slice(-2);
      return first - second;
    }),
  );
}

/** What a model appends to each prompt, greedily. */
async function greedy(name: string, prompts: number[][]): Promise<number[][]> {
  const maxPromptTokens = Math.max(...prompts.map(({ length }) => length));
  const sampling = {
    rows: prompts.length,
    samplesPerPrompt: 1,
    maxPromptTokens,
    maxNewTokens: NEW_TOKENS,
  };
  const policy = await OpenPolicy.open(gpu, await openNamedModel(name), { sampling });
  const requests = prompts.map((prompt, slot) => ({ prompt, samples: 1, slot }));
  const limits = { topK: 1, topP: 1, minP: 0, maxNewTokens: NEW_TOKENS };
  const completions = await policy.sampler.generate(policy.weights, requests, {
    temperature: 1,
    ...limits,
    stopIds: policy.stopIds,
    seed: [1, 0],
    step: 0,
  });
  return completions.map(([{ tokens }]) => tokens);
}

function tokensOf(model: ModelFolder) {
  const tokenizer = tokenizerOf(model);
  const texts = golden.corpus.map((text) => [text, tokenizer.encode(text)] as const);
  const prompts = [null, SYSTEM].flatMap((systemPrompt) => {
    const settings = { systemPrompt, promptTemplate: "{question}", chatTemplateKwargs: null };
    const prompter = prompterOf(model, { model: model.source, ...settings }, () => {});
    return QUESTIONS.map((question) => {
      const tokens = prompter.encodePrompt({ question }, "q");
      return { system: systemPrompt, question, text: prompter.text({ question }), tokens };
    });
  });
  return { texts, prompts };
}

async function write(name: string, variant: Variant, seed: number): Promise<void> {
  const path = join(folder, name);
  const at = (...names: string[]) => join(path, ...names);
  await writeBase(at("base"), variant, seed);
  const rows = QUESTIONS.map((prompt, i) => ({ prompt, completion: `It is ${i}.` }));
  writeFileSync(at("rows.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  const learn = (model: string, run: string, steps: number, flags = "") => {
    const options = `${FAST} --max-steps ${steps} ${flags}`.trim().split(" ");
    const paths = ["--model", at(model), "--output-dir", at(run)];
    return sft(sftSettings([at("rows.jsonl"), ...options, ...paths]));
  };
  await learn("base", "full", 3);
  await learn("base", "lora", 3, variant.lora);
  await merge(mergeSettings([at("lora"), "--output-dir", at("merged")]));

  const model = await openNamedModel(at("full"));
  const { texts, prompts } = tokensOf(model);
  const long = texts.flatMap(([, tokens]) => tokens).slice(0, 300);
  const sequences = [long, ...prompts.map(({ tokens }) => tokens)];
  const models = ["base", "full", "lora", "merged"];
  const continuationsOf = async (model: string) => {
    const tokens = await greedy(model, sequences);
    return { tokens, margins: await marginsOf(model, sequences, tokens) };
  };
  const continuations: Record<string, Continuations> = {};
  const folders: Record<string, Continuations> = {};
  for (const name of models.slice(1)) folders[name] = await continuationsOf(at(name));
  if (variant.exported !== false) {
    for (const type of ["f16", "q8_0"]) {
      const gguf = at(`${type}.gguf`);
      const settings = exportSettings([at("full"), "--gguf", gguf, "--type", type]);
      await exportModel({ ...settings, gguf });
      continuations[type] = await continuationsOf(gguf);
    }
    await learn("f16.gguf", "gguf", 1);
    models.push("gguf");
  }
  const shape = [sequences.length * POSITIONS, model.config.vocabSize];
  const expected = [];
  for (const name of models) {
    const values = await logprobsAfter(at(name), lastPrefixes(sequences));
    expected.push({ name, shape, data: () => values });
  }
  await Bun.write(at("expected.safetensors"), await joined(encodeSafetensors(expected)));
  const stops = [...(await OpenPolicy.open(gpu, model, {})).stopIds];
  const positions = POSITIONS;
  const json = { positions, sequences, texts, prompts, stops, greedy: continuations, folders };
  writeFileSync(at("expected.json"), JSON.stringify(json));
}

/** Opens what transformers saved, in several shards and in half precision, and compares. */
async function read(name: string): Promise<void> {
  const at = (...names: string[]) => join(folder, name, ...names);
  const { sequences, texts, prompts } = JSON.parse(readFileSync(at("expected.json"), "utf8"));
  for (const kind of ["bfloat16", "float16"]) {
    const saved = at(`transformers-${kind}`);
    if (!existsSync(join(saved, "model.safetensors.index.json"))) {
      throw new Error(`${saved} has no shards; run check_outputs.py first`);
    }
    const model = await openNamedModel(saved);
    if (JSON.stringify(tokensOf(model)) !== JSON.stringify({ texts, prompts })) {
      throw new Error(`${saved}: other tokens`);
    }
    const path = at(`transformers-${kind}.safetensors`);
    const reference = await readTensor(await openSafetensors(Bun.file(path), path), "logprobs");
    const found = await logprobsAfter(saved, lastPrefixes(sequences));
    const error = Math.hypot(...found.map((x, i) => x - reference[i])) / Math.hypot(...reference);
    console.log(`${saved}: ${model.tensors.size} tensors, log p within ${error.toExponential(1)}`);
    if (!(error < 1e-5)) throw new Error(`${saved}: log p differ`);
  }
}

for (const [i, [name, variant]] of Object.entries(VARIANTS).entries()) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  if (isRead) await read(name);
  else await write(name, variant, i);
}
if (!isRead) {
  copyFileSync(join(import.meta.dir, "check_outputs.mjs"), join(folder, "check_outputs.mjs"));
}
gpu.destroy();
