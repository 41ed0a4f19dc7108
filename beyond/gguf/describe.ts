import { UserError } from "../../lib/errors.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import { chatTemplate } from "../models/chat.ts";
import type { Architecture } from "../models/config.ts";
import { endTokens } from "../models/end-tokens.ts";
import type { ModelFolder } from "../models/folder.ts";
import { specialTokens, Tokenizer, type TokenizerFiles } from "../models/tokenizer.ts";
import { PRE_TOKENIZERS, TOKEN_TYPE } from "./tokenizer.ts";
import type { Entry } from "./write.ts";

const ARCHITECTURE: Record<Architecture, string> = {
  LlamaForCausalLM: "llama",
  MistralForCausalLM: "llama",
  Qwen2ForCausalLM: "qwen2",
  Qwen3ForCausalLM: "qwen3",
  Gemma3ForCausalLM: "gemma3",
};

export const ggufArchitecture = (config: ModelConfig) =>
  ARCHITECTURE[config.architecture as Architecture];

const count = (key: string, value: number): Entry => ({ key, type: "u32", value });
const real = (key: string, value: number): Entry => ({ key, type: "f32", value });
const text = (key: string, value: string | string[]): Entry => ({ key, type: "string", value });

/** The metadata of a model in GGUF: what llama.cpp needs of its config, its tokenizer, its chat template. */
export function metadataOf(model: ModelFolder, name: string, fileType: number): Entry[] {
  const { config, files } = model;
  const prefix = ggufArchitecture(config);
  if (prefix === "gemma3") {
    throw new UserError(
      "models of Gemma 3 are not written as GGUF; export them with llama.cpp's convert_hf_to_gguf.py",
    );
  }
  const template = chatTemplate(files);
  return [
    text("general.architecture", prefix),
    text("general.type", "model"),
    text("general.name", name),
    count("general.file_type", fileType),
    count("general.quantization_version", 2),
    count(`${prefix}.vocab_size`, config.vocabSize),
    count(`${prefix}.block_count`, config.numLayers),
    count(`${prefix}.context_length`, config.maxPositionEmbeddings),
    count(`${prefix}.embedding_length`, config.hiddenSize),
    count(`${prefix}.feed_forward_length`, config.intermediateSize),
    count(`${prefix}.attention.head_count`, config.numHeads),
    count(`${prefix}.attention.head_count_kv`, config.numKeyValueHeads),
    count(`${prefix}.attention.key_length`, config.headDim),
    count(`${prefix}.attention.value_length`, config.headDim),
    count(`${prefix}.rope.dimension_count`, config.headDim),
    real(`${prefix}.rope.freq_base`, config.ropeTheta),
    real(`${prefix}.attention.layer_norm_rms_epsilon`, config.rmsNormEps),
    // the scaling of Llama 3 is a tensor instead
    ...(config.ropeScaling?.type === "linear"
      ? [
          text(`${prefix}.rope.scaling.type`, "linear"),
          real(`${prefix}.rope.scaling.factor`, config.ropeScaling.factor),
        ]
      : []),
    ...tokenizerEntries(model),
    ...(template === null ? [] : [text("tokenizer.chat_template", template)]),
  ];
}

/** The vocabulary and the special tokens, those that end a text among them. */
function tokenizerEntries(model: ModelFolder): Entry[] {
  const { config, files, source } = model;
  const tokenizer = new Tokenizer(files as TokenizerFiles, source);
  const json = JSON.parse(files["tokenizer.json"]);
  const pre = kindOf(json);
  if (pre === null) {
    throw new UserError(
      `${source}: GGUF has no name for the way its tokenizer splits words; only ${Object.keys(PRE_TOKENIZERS).join(", ")} can be exported`,
    );
  }
  const tokens = Array.from({ length: config.vocabSize }, (_, id) => `[PAD${id}]`);
  const types: number[] = tokens.map(() => TOKEN_TYPE.unused);
  const put = (id: number, token: string, type: number) => {
    if (id >= tokens.length) {
      throw new UserError(`${source}: its tokenizer has the token ${id}, its config.json does not`);
    }
    tokens[id] = token;
    types[id] = type;
  };
  const vocab: Record<string, number> = json.model.vocab;
  for (const [token, id] of Object.entries(vocab)) put(id, token, TOKEN_TYPE.normal);
  for (const { id, content, special } of json.added_tokens ?? []) {
    put(id, content, special ? TOKEN_TYPE.control : TOKEN_TYPE.userDefined);
  }
  const named = specialTokens(files);
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const special = (key: string, token: string | undefined) => {
    const id = token === undefined ? undefined : ids.get(token);
    return id === undefined ? [] : [count(`tokenizer.ggml.${key}_token_id`, id)];
  };
  const ends = endTokens(model, tokenizer).ids;
  const eos = ends.find((id) => id === tokenizer.eosId) ?? ends[0];
  const another = ends.find((id) => id !== eos);
  const merges: (string | [string, string])[] = json.model.merges;
  return [
    text("tokenizer.ggml.model", "gpt2"),
    text("tokenizer.ggml.pre", pre),
    text("tokenizer.ggml.tokens", tokens),
    { key: "tokenizer.ggml.token_type", type: "i32", value: types },
    text(
      "tokenizer.ggml.merges",
      merges.map((pair) => [pair].flat().join(" ")),
    ),
    ...special("bos", named.bos_token),
    count("tokenizer.ggml.eos_token_id", eos),
    ...(another === undefined ? [] : [count("tokenizer.ggml.eot_token_id", another)]),
    ...special("padding", named.pad_token),
    { key: "tokenizer.ggml.add_bos_token", type: "bool", value: tokenizer.prefixIds.length > 0 },
  ];
}

/** GGUF's name of a byte-level tokenizer, by the steps in which it splits a text; null if it has none. */
function kindOf(json: Record<string, unknown>): string | null {
  const { type, byte_fallback } = json.model as { type: string; byte_fallback?: boolean };
  if (type !== "BPE" || byte_fallback) return null;
  const signature = JSON.stringify(stepsOf(json.pre_tokenizer));
  const found = Object.entries(PRE_TOKENIZERS).find(
    ([, { steps }]) => JSON.stringify(steps.flatMap(stepsOf)) === signature,
  );
  return found?.[0] ?? null;
}

/** What a pre-tokenizer does, without the fields that make no difference. */
function stepsOf(pre: unknown): string[] {
  const step = (pre ?? {}) as Record<string, unknown>;
  if (Array.isArray(step.pretokenizers)) return step.pretokenizers.flatMap(stepsOf);
  if (step.type === "ByteLevel") {
    return [`bytes ${step.use_regex ?? true} ${step.add_prefix_space ?? false}`];
  }
  if (step.type === "Digits") return [`digits ${step.individual_digits}`];
  const { Regex } = (step.pattern ?? {}) as { Regex?: string };
  return [`${step.type} ${Regex} ${step.behavior} ${step.invert ?? false}`];
}
