/**
 * Text to token ids and back, from a model folder's `tokenizer.json` and `tokenizer_config.json`.
 * The work is done by `@huggingface/tokenizers`; added here is what it does not promise: that a
 * text is read without loss, and where in the text each token stands.
 */
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { watched } from "#platform/watchdog.ts";
import { UserError } from "../../lib/errors.ts";
import { messageOf } from "../terminal/quoted.ts";
import { TextStream } from "./text-stream.ts";

/** The files as text, by their names; a checkpoint writes them back unchanged. */
export type TokenizerFiles = {
  "tokenizer.json": string;
  "tokenizer_config.json"?: string;
  "special_tokens_map.json"?: string;
};

export class Tokenizer {
  readonly files: TokenizerFiles;
  /** One more than the highest token id. A model's `vocab_size` may be larger, padded. */
  readonly vocabSize: number;
  /** The token that ends a text, or null when the tokenizer names none. */
  readonly eosId: number | null;
  /** What the tokenizer puts before every text: usually one beginning-of-text token, or nothing. */
  readonly prefixIds: readonly number[];
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #padId: number | null;
  /** What it is called in messages. */
  readonly #name: string;

  /**
   * `source` names the folder in messages; `embeddings` is the number of tokens that the model knows.
   * @throws UserError for files that are unusable
   */
  constructor(
    files: TokenizerFiles,
    private readonly source: string,
    private readonly embeddings = Number.POSITIVE_INFINITY,
  ) {
    this.files = files;
    this.#name = `the tokenizer of ${source}`;
    const json = parseJson(files["tokenizer.json"], `${source}/tokenizer.json`);
    const config = parseJson(
      files["tokenizer_config.json"] ?? "{}",
      `${source}/tokenizer_config.json`,
    );
    try {
      requireIds(json);
      const pre_tokenizer = splitAllDigits(json.pre_tokenizer);
      const whole = { ...json, pre_tokenizer };
      this.#tokenizer = watched(this.#name, () => new HuggingFaceTokenizer(whole, config));
      let highest = -1;
      for (const id of this.#tokenizer.get_vocab().values()) highest = Math.max(highest, id);
      this.vocabSize = highest + 1;
      this.eosId = this.#idOf(specialTokens(files).eos_token);
      this.#padId = this.#idOf(specialTokens(files).pad_token);
      const bare = this.#encode("1", false);
      const dressed = this.#encode("1", true);
      this.prefixIds = dressed.slice(0, Math.max(0, dressed.indexOf(bare[0] ?? -1)));
    } catch (error) {
      throw new UserError(`${source}/tokenizer.json cannot be used: ${messageOf(error)}`);
    }
  }

  /** The token ids of a text alone, with nothing put before or after it. */
  encode(text: string): number[] {
    const ids = this.#encode(text, false);
    const strange = ids.find((id) => id >= this.embeddings);
    if (strange === undefined) return ids;
    throw new UserError(
      `${this.source}: its tokenizer has the token ${strange}, ${JSON.stringify(this.decode([strange], true))}, and its config.json only ${this.embeddings}; leave it out of the text`,
    );
  }

  /** The text of token ids. Special tokens are left out unless `special` asks for them. */
  decode(ids: ArrayLike<number>, special = false): string {
    if (ids.length === 0) return "";
    const how = { skip_special_tokens: !special, clean_up_tokenization_spaces: false };
    return watched(this.#name, () => this.#tokenizer.decode(Array.from(ids), how));
  }

  /**
   * The text of token ids, and for every token the place in that text (in UTF-16 units) where it
   * begins. A token that is only part of a character begins where the character does. Special tokens are part
   * of the text, since <answer> may be one; what ends or pads it is not, nor are the `hidden` ones.
   */
  decodeTokens(
    ids: ArrayLike<number>,
    hidden: ReadonlySet<number> = new Set(),
  ): { text: string; starts: number[] } {
    const stream = this.stream(hidden);
    const starts = Array.from(ids, (id) => {
      const start = stream.text.length;
      stream.push(id);
      return start;
    });
    stream.end();
    return { text: stream.text, starts };
  }

  /** The same text, token by token. */
  stream(hidden: ReadonlySet<number> = new Set()): TextStream {
    const isShown = (id: number) => id !== this.eosId && id !== this.#padId && !hidden.has(id);
    return new TextStream((ids) => this.decode(ids.filter(isShown), true));
  }

  /** The token ids of a prompt as the model expects it. `what` names the text in the error. */
  encodePrompt(text: string, what: string): number[] {
    const ids = this.requireReadable(text, what);
    const dressed = this.prefixIds.every((id, i) => ids[i] === id);
    return dressed ? ids : [...this.prefixIds, ...ids];
  }

  /**
   * The token ids of a text that this tokenizer can spell; any other text is a `UserError`. The
   * library drops characters its vocabulary lacks, and a model would answer a different question.
   */
  requireReadable(text: string, what: string): number[] {
    const ids = this.encode(text);
    if (this.#readsBack(text, ids)) return ids;
    const strange = [...new Set(text)].filter((c) => !this.#readsBack(c, this.encode(c)));
    const each = strange.slice(0, 8).map((c) => {
      const times = text.split(c).length - 1;
      return `${JSON.stringify(c)}${times > 1 ? ` (${times} times)` : ""}`;
    });
    const more = strange.length - each.length;
    const shown = each.length > 0 ? each.join(", ") : JSON.stringify(text.slice(0, 40));
    throw new UserError(
      `${what}: this model's tokenizer cannot spell ${shown}${more > 0 ? ` and ${more} more` : ""}; pass --model with a model that reads it`,
    );
  }

  /** Whether a token is none of text, but marks something, such as <|im_end|>. */
  isSpecial(id: number): boolean {
    return this.decode([id]) === "" && this.decode([id], true) !== "";
  }

  #encode(text: string, add_special_tokens: boolean): number[] {
    return watched(this.#name, () => this.#tokenizer.encode(text, { add_special_tokens }).ids);
  }

  #readsBack(text: string, ids: number[]): boolean {
    if (ids.some((id) => id === undefined || id === null)) return false;
    // some tokenizers compose characters (NFC) first; that is the same text
    return this.decode(ids, true).normalize("NFC") === text.normalize("NFC");
  }

  #idOf(token: string | undefined): number | null {
    return token === undefined ? null : (this.#tokenizer.token_to_id(token) ?? null);
  }
}

/**
 * A pre-tokenizer in which every numeric character is a digit, as in the Python library: `Digits` of
 * `@huggingface/tokenizers` knows 0 to 9 alone.
 */
function splitAllDigits(pre: unknown): unknown {
  if (typeof pre !== "object" || pre === null) return pre;
  const { type, pretokenizers, individual_digits } = pre as Record<string, unknown>;
  if (Array.isArray(pretokenizers)) {
    return { ...pre, pretokenizers: pretokenizers.map(splitAllDigits) };
  }
  if (type !== "Digits") return pre;
  const Regex = individual_digits ? "\\p{N}" : "\\p{N}+";
  return { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false };
}

/**
 * The special tokens by their names, `bos_token` and so on, as chat templates know them. As in transformers, the older
 * special_tokens_map.json counts where tokenizer_config.json does not list its tokens itself.
 */
export function specialTokens(files: Partial<Record<string, string>>): Record<string, string> {
  const [config, map] = ["tokenizer_config.json", "special_tokens_map.json"].map((name) =>
    parseJson(files[name] ?? "{}", name),
  );
  const tokens: Record<string, string> = {};
  const named = "added_tokens_decoder" in config ? config : { ...config, ...map };
  for (const [key, value] of Object.entries(named)) {
    const content = key.endsWith("_token") ? contentOf(value) : null;
    if (content !== null) tokens[key] = content;
  }
  return tokens;
}

/** A special token is its text, or an object that holds it. */
function contentOf(token: unknown): string | null {
  const content =
    typeof token === "object" ? (token as { content?: unknown } | null)?.content : token;
  return typeof content === "string" ? content : null;
}

/** Throws for a vocabulary in which a token has no proper id, which the library would drop silently. */
function requireIds({ model, added_tokens }: Record<string, unknown>): void {
  const vocab = (model as { vocab?: unknown } | null)?.vocab ?? {};
  const tokens = Array.isArray(vocab) ? [] : Object.entries(vocab);
  const added = ((added_tokens ?? []) as { id: unknown; content: string }[]).map(
    ({ id, content }): [string, unknown] => [content, id],
  );
  for (const [token, id] of [...tokens, ...added]) {
    const fits = Number.isInteger(id) && Number(id) >= 0 && Number(id) < MOST_TOKENS;
    if (!fits) throw new Error(`the id of ${JSON.stringify(token)} is ${id}`);
  }
}

/** Far beyond every real vocabulary; the library keeps a list as long as the highest id. */
const MOST_TOKENS = 2 ** 24;

/** The object that a file of the tokenizer holds; `source` names it in the error for anything else. */
export function parseJson(text: string, source: string): Record<string, unknown> {
  try {
    const value = watched(source, () => JSON.parse(text));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // reported below, as for valid JSON that is no object
  }
  throw new UserError(`${source} is not a JSON object; copy it again from where the model is from`);
}
