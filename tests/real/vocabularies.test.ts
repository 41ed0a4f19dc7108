import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { metadataOf } from "../../beyond/gguf/describe.ts";
import { tokenizerFilesOf } from "../../beyond/gguf/tokenizer.ts";
import { Prompter } from "../../beyond/models/chat.ts";
import { parseModelConfig } from "../../beyond/models/config.ts";
import { Tokenizer, type TokenizerFiles } from "../../beyond/models/tokenizer.ts";
import tokenizers from "../golden/tokenizer.json";
import golden from "./vocabularies.json";

const folder = process.env.RLEXPLORE_TOKENIZERS;
if (!folder)
  console.log("tests/real: skipped, RLEXPLORE_TOKENIZERS names no folder (README.md there)");

describe.skipIf(!folder)("the real tokenizers give what the Python library gives", () => {
  test.each(Object.entries(golden))("%s", (name, expected) => {
    const { question, ids, prompts, prefix, size, eos } = expected;
    const read = (file: string) =>
      readFileSync(join(folder as string, `tokenizer-${name}`, "models", file), "utf8");
    const files = {
      "tokenizer.json": read("tokenizer.json"),
      "tokenizer_config.json": read("tokenizer_config.json"),
    };
    const tokenizer = new Tokenizer(files, name);
    expect([tokenizer.prefixIds, tokenizer.eosId]).toEqual([prefix, eos]);
    for (const [i, text] of tokenizers.corpus.entries()) {
      expect([text, tokenizer.encode(text)]).toEqual([text, ids[i]]);
      expect(tokenizer.decode(ids[i], true).normalize("NFC")).toBe(text.normalize("NFC"));
      const decoded = tokenizer.decodeTokens(ids[i]);
      expect(decoded.text).toBe(tokenizer.decode(ids[i], true));
    }
    for (const { system, kwargs, text, ids } of prompts) {
      const settings = {
        systemPrompt: system,
        promptTemplate: "{question}",
        chatTemplateKwargs: Object.keys(kwargs).length > 0 ? kwargs : null,
      };
      const prompter = new Prompter({ files, source: name }, tokenizer, settings);
      expect(prompter.text({ question })).toBe(text);
      expect(prompter.encodePrompt({ question }, "q")).toEqual(ids);
    }
    // and the way into a GGUF file and back
    const base = readFileSync(join(import.meta.dir, "../../models/base/config.json"), "utf8");
    const config = { ...parseModelConfig(base, name), vocabSize: size + 3, eosTokenIds: [eos] };
    const model = { config, configText: base, files, source: name, tensors: new Map() };
    const metadata = new Map(
      metadataOf(model, name, 1).map(({ key, value }) => [key, value] as const),
    );
    const again = tokenizerFilesOf(metadata, name) as TokenizerFiles;
    const stored = new Tokenizer(again, name);
    expect([stored.prefixIds, stored.eosId]).toEqual([prefix, eos]);
    for (const [i, text] of tokenizers.corpus.entries()) {
      expect([text, stored.encode(text)]).toEqual([text, ids[i]]);
    }
  });
});
