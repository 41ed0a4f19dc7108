import { UserError } from "../../lib/errors.ts";
import type { Metadata } from "./format.ts";
import { BEST, type Piece, SPACE, sentencePiece } from "./sentencepiece.ts";

const WORDS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}";
const REST = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const split = (Regex: string) => ({
  type: "Split",
  pattern: { Regex },
  behavior: "Isolated",
  invert: false,
});
const byteLevel = (use_regex: boolean) => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex,
});

/** How each kind of tokenizer that GGUF knows by name cuts a text into words, as in its tokenizer.json. */
export const PRE_TOKENIZERS: Record<string, { normalizer?: object; steps: object[] }> = {
  "gpt-2": { steps: [byteLevel(true)] },
  smollm: { steps: [{ type: "Digits", individual_digits: true }, byteLevel(true)] },
  qwen2: { normalizer: { type: "NFC" }, steps: [split(WORDS + REST), byteLevel(false)] },
  "llama-bpe": { steps: [split(`${WORDS}{1,3}${REST}`), byteLevel(false)] },
};

/** The kinds of tokens in `tokenizer.ggml.token_type`. */
export const TOKEN_TYPE = { normal: 1, control: 3, userDefined: 4, unused: 5 } as const;

/** The `tokenizer.json` and `tokenizer_config.json` of a GGUF model, with its chat template. */
export function tokenizerFilesOf(metadata: Metadata, source: string): Record<string, string> {
  const get = (key: string) => metadata.get(`tokenizer.ggml.${key}`);
  const fail = (why: string): never => {
    throw new UserError(`${source}: ${why}`);
  };
  const kind = get("model");
  // with a space before each text it is Llama 2's, of which no two programs make the same tokens
  const hasPieces = kind === "llama" && get("add_space_prefix") === false;
  if (kind !== "gpt2" && !hasPieces) {
    fail(
      `its tokenizer is of type ${kind}${kind === "llama" ? " (SentencePiece)" : ""}, only gpt2 (byte-level BPE) and Gemma's are supported; use the Hugging Face folder`,
    );
  }
  const name = String(get("pre") ?? "gpt-2");
  const tokens = texts(get("tokens")) ?? fail("it has no tokenizer.ggml.tokens");
  const types = get("token_type") ?? tokens.map(() => TOKEN_TYPE.normal);
  if (!Array.isArray(types) || types.length !== tokens.length) {
    return fail("its tokenizer.ggml.token_type does not fit its tokens");
  }
  const scores = get("scores") ?? [];
  if (hasPieces && (!Array.isArray(scores) || scores.length !== tokens.length)) {
    fail("its tokenizer.ggml.scores do not fit its tokens");
  }
  const pieces: Piece[] = [];
  const vocab: Record<string, number> = Object.create(null);
  const added: object[] = [];
  for (const [id, text] of tokens.entries()) {
    if (types[id] === TOKEN_TYPE.unused) continue;
    const special = types[id] === TOKEN_TYPE.control;
    const isOwn = types[id] === TOKEN_TYPE.userDefined;
    // llama.cpp's converter has spaces in these
    const content = hasPieces && isOwn ? text.replaceAll(" ", SPACE) : text;
    if (special || isOwn) {
      const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
      added.push({ id, content, ...plain, special });
    }
    vocab[content] = id;
    if (hasPieces && (isOwn || types[id] === TOKEN_TYPE.normal)) {
      pieces.push({ text: content, id, score: isOwn ? BEST : Number((scores as number[])[id]) });
    }
  }
  const named = (key: string) => {
    const id = get(`${key}_token_id`);
    return id === undefined ? undefined : tokens[Number(id)];
  };
  const bos = named("bos");
  // Llama 3 begins every text so, and older files do not say it
  const addBos = get("add_bos_token") ?? name === "llama-bpe";
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    post_processor: addBos && bos !== undefined ? beginWith(bos, vocab[bos]) : null,
    ...(hasPieces ? sentencePiece(vocab, pieces) : byteLevelBpe(vocab, name, get("merges"), fail)),
  };
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    add_bos_token: addBos,
    bos_token: bos,
    eos_token: named("eos"),
    pad_token: named("padding"),
    clean_up_tokenization_spaces: false,
    chat_template: metadata.get("tokenizer.chat_template"),
  };
  return {
    "tokenizer.json": JSON.stringify(tokenizer),
    "tokenizer_config.json": `${JSON.stringify(config, null, 2)}\n`,
  };
}

/** What a byte-level tokenizer has in its tokenizer.json beside its added tokens. */
function byteLevelBpe(
  vocab: Readonly<Record<string, number>>,
  name: string,
  given: unknown,
  fail: (why: string) => never,
) {
  const pre =
    PRE_TOKENIZERS[name] ??
    fail(
      `its tokenizer splits words as ${name}, only ${Object.keys(PRE_TOKENIZERS).join(", ")} are supported; use the Hugging Face folder`,
    );
  const merges = texts(given) ?? fail("it has no tokenizer.ggml.merges");
  return {
    normalizer: pre.normalizer ?? null,
    pre_tokenizer: { type: "Sequence", pretokenizers: pre.steps },
    decoder: byteLevel(true),
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: name === "llama-bpe",
      vocab,
      merges: merges.map((merge) => splitMerge(merge) ?? fail(`its merge "${merge}" is no pair`)),
    },
  };
}

function texts(value: unknown): string[] | null {
  return Array.isArray(value) && value.every((text) => typeof text === "string") ? value : null;
}

/** "a b" is the pair a, b. A token may be a space itself only in a file that no known program writes. */
function splitMerge(merge: string): [string, string] | null {
  const at = merge.indexOf(" ", 1);
  return at < 0 ? null : [merge.slice(0, at), merge.slice(at + 1)];
}

function beginWith(token: string, id: number): object {
  const special = { SpecialToken: { id: token, type_id: 0 } };
  const sequence = (name: string) => ({ Sequence: { id: name, type_id: 0 } });
  return {
    type: "TemplateProcessing",
    single: [special, sequence("A")],
    pair: [special, sequence("A"), special, sequence("B")],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
}
