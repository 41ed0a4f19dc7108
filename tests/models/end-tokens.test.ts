import { describe, expect, test } from "bun:test";
import { Prompter } from "../../beyond/models/chat.ts";
import { openEmbeddedModel } from "../../beyond/models/embedded.ts";
import { endTokens } from "../../beyond/models/end-tokens.ts";
import { encodeLesson } from "../../beyond/models/lesson.ts";
import { Tokenizer } from "../../beyond/models/tokenizer.ts";
import golden from "../golden/chat.json";
import tokenizers from "../golden/tokenizer.json";

const tokenizerJson = JSON.stringify(tokenizers.tokenizers.qwen.json);
const CHATML =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

function tokenizerWith(config: object, more = {}) {
  const files = {
    "tokenizer.json": tokenizerJson,
    "tokenizer_config.json": JSON.stringify(config),
    ...more,
  };
  return { files, tokenizer: new Tokenizer(files, "m") };
}
const idOf = (text: string) => tokenizerWith({}).tokenizer.encode(text)[0];
const base = await openEmbeddedModel({ weights: false });
const END = idOf("<|im_end|>");
const OTHER = idOf("<|endoftext|>");

describe("the tokens that end a completion", () => {
  const ends = (generation: unknown, eosTokenIds: number[], eosId: number | null = 7) => {
    const text = typeof generation === "string" ? generation : JSON.stringify(generation);
    const files: Record<string, string> = text ? { "generation_config.json": text } : {};
    return endTokens({ config: { ...base.config, eosTokenIds }, files, source: "m" }, { eosId });
  };
  test("are those of the first file that names any", () => {
    expect(ends({ eos_token_id: [3, 5] }, [4]).ids).toEqual([3, 5]);
    expect(ends({ eos_token_id: 3 }, [4]).source).toBe("generation_config.json");
    expect(ends(undefined, [4])).toEqual({ ids: [4], source: "config.json" });
    expect(ends({ eos_token_id: null }, [4, 4]).ids).toEqual([4]);
    expect(ends({}, [])).toEqual({ ids: [7], source: "its tokenizer" });
    expect(() => ends({}, [], null)).toThrow("add eos_token_id to its config.json");
    // a GGUF file has no such files
    const gguf = { config: { ...base.config, eosTokenIds: [4] }, files: {}, source: "m.gguf" };
    const found = endTokens({ ...gguf, isGguf: true }, { eosId: null });
    expect(found.source).toBe("tokenizer.ggml.eos_token_id");
  });
  test("are tokens of the model", () => {
    expect(() => ends({ eos_token_id: 4000 }, [])).toThrow(
      "m/generation_config.json: 4000 in eos_token_id is no token of the model",
    );
    expect(() => ends("[", [])).toThrow("m/generation_config.json is not a JSON object");
  });
  test("of a tokenizer are named in either of two files", () => {
    const map = { "special_tokens_map.json": JSON.stringify({ eos_token: "<|im_end|>" }) };
    const other = { eos_token: "<|endoftext|>" };
    expect(tokenizerWith({}, map).tokenizer.eosId).toBe(END);
    expect(tokenizerWith(other, map).tokenizer.eosId).toBe(END);
    expect(tokenizerWith({ ...other, added_tokens_decoder: {} }, map).tokenizer.eosId).toBe(OTHER);
  });
});

describe("a lesson ends with exactly one of them", () => {
  const plain = { systemPrompt: null, promptTemplate: "{question}", chatTemplateKwargs: null };
  const asked = { question: "2+2=" };
  const taught = (said: string | { role: string; content: string }, ids: number[], chat = true) => {
    const { files, tokenizer } = tokenizerWith({
      ...golden.tokens,
      eos_token: "<|endoftext|>",
      ...(chat && { chat_template: CHATML }),
    });
    const prompter = new Prompter({ files, source: "m" }, tokenizer, plain);
    const { completion } = encodeLesson(prompter, { asked, said }, { ids, source: "" }, "d:1");
    return tokenizer.decode(completion, true);
  };
  const turn = { role: "assistant", content: "4" };
  test.each([
    ["a text", "4", [OTHER], false, "4<|endoftext|>"],
    ["with a template, its token", "4", [OTHER, END], true, "4<|im_end|>"],
    ["a turn", turn, [OTHER, END], true, "4<|im_end|>"],
    [
      "a turn, where sampling does not end at the template's",
      turn,
      [OTHER],
      true,
      "4<|endoftext|>",
    ],
    ["without a template, the tokenizer's", "4", [END, OTHER], false, "4<|endoftext|>"],
    ["what the text has already", "4<|endoftext|>", [OTHER, END], true, "4<|endoftext|>"],
    ["... twice, and a line break", "4<|im_end|><|im_end|>\n", [END], true, "4<|im_end|>"],
  ] as const)("%s", (_, said, ids, chat, text) => {
    expect(taught(said, [...ids], chat)).toBe(text);
  });
});
