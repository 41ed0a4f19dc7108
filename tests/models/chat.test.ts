import { describe, expect, test } from "bun:test";
import { chatTemplate, Prompter, type PromptSettings } from "../../beyond/models/chat.ts";
import { openEmbeddedModel } from "../../beyond/models/embedded.ts";
import { Tokenizer, type TokenizerFiles } from "../../beyond/models/tokenizer.ts";
import { UserError } from "../../lib/errors.ts";
import golden from "../golden/chat.json";
import tokenizers from "../golden/tokenizer.json";

const plain: PromptSettings = {
  systemPrompt: null,
  promptTemplate: "{question}",
  chatTemplateKwargs: null,
};

function prompterWith(template: unknown, settings: Partial<PromptSettings> = {}, more = {}) {
  const files: TokenizerFiles & Record<string, string> = {
    "tokenizer.json": JSON.stringify(tokenizers.tokenizers.qwen.json),
    "tokenizer_config.json": JSON.stringify({ ...golden.tokens, chat_template: template }),
    ...more,
  };
  const tokenizer = new Tokenizer(files, "m");
  return new Prompter({ files, source: "m" }, tokenizer, { ...plain, ...settings });
}

describe("a chat template gives what apply_chat_template gives", () => {
  const { templates, cases } = golden;
  test.each(Object.keys(templates))("%s", (name) => {
    const own = cases.filter(({ template }) => template === name);
    expect(own.length).toBeGreaterThanOrEqual(6);
    for (const { system, question, kwargs, text } of own) {
      const template = templates[name as keyof typeof templates];
      const chatTemplateKwargs = Object.keys(kwargs).length > 0 ? kwargs : null;
      const prompter = prompterWith(template, { systemPrompt: system, chatTemplateKwargs });
      if (text === null) {
        expect(() => prompter.text({ question })).toThrow(UserError);
        expect(() => prompter.text({ question })).toThrow(/refuses the prompt: System role not/);
      } else {
        expect(prompter.text({ question })).toBe(text);
      }
    }
  });
});

describe("a prompt", () => {
  const chatml =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}";

  test("has special tokens where the template writes them, and no second beginning of text", () => {
    const prompter = prompterWith(chatml);
    const ids = prompter.encodePrompt({ question: "Hi" }, "q");
    expect([ids[0], ids.at(-2)]).toEqual([1, 2]);
    expect(prompter.tokenizer.decode(ids, true)).toBe("<|im_start|>user\nHi<|im_end|>\n");
    const files = {
      "tokenizer.json": JSON.stringify(tokenizers.tokenizers.llama3.json),
      "tokenizer_config.json": JSON.stringify({
        chat_template: `{{ bos_token }}${chatml}`,
        bos_token: "<|endoftext|>",
      }),
    };
    const dressed = new Prompter({ files, source: "m" }, new Tokenizer(files, "m"), plain);
    expect(dressed.encodePrompt({ question: "Hi" }, "q").filter((id) => id === 0)).toHaveLength(1);
  });

  test("is the question inside --prompt-template; what looks like a pattern in it stays", () => {
    const promptTemplate = "Q: {question}\nAgain: {question}\nEnd with \\boxed{}.";
    const prompter = prompterWith(undefined, { promptTemplate });
    expect(prompter.hasTemplate).toBe(false);
    expect(prompter.text({ question: "$& {question}?" })).toBe(
      "Q: $& {question}?\nAgain: $& {question}?\nEnd with \\boxed{}.",
    );
    expect(prompterWith(undefined, { systemPrompt: "Be brief." }).text({ question: "1+1?" })).toBe(
      "Be brief.\n\n1+1?",
    );
  });

  test("of the embedded model is the bare question", async () => {
    const model = await openEmbeddedModel({ weights: false });
    const tokenizer = new Tokenizer(model.files as TokenizerFiles, "m");
    const prompter = new Prompter(model, tokenizer, plain);
    expect(prompter.encodePrompt({ question: "23+7=" }, "q")).toEqual([3, 4, 11, 8, 13]);
  });
});

test("the template is found where transformers looks for it", () => {
  const config = (chat_template: unknown) => ({
    "tokenizer_config.json": JSON.stringify({ chat_template }),
  });
  expect(chatTemplate(config("a"))).toBe("a");
  expect(chatTemplate({ ...config("a"), "chat_template.jinja": "b" })).toBe("b");
  const several = [
    { name: "rag", template: "r" },
    { name: "default", template: "d" },
  ];
  expect(chatTemplate(config(several))).toBe("d");
  expect(chatTemplate(config(several.slice(0, 1)))).toBeNull();
  expect(chatTemplate(config([null, 7]))).toBeNull();
  expect(chatTemplate({})).toBeNull();
});

describe("refused in one line", () => {
  test("a template that cannot be read", () => {
    expect(() => prompterWith("{% if %}")).toThrow(/^the chat template of m cannot be read: /);
  });
  test("arguments nobody reads", () => {
    const chatTemplateKwargs = { enable_thinking: false };
    expect(() => prompterWith(undefined, { chatTemplateKwargs })).toThrow(
      "m has no chat template: leave --chat-template-kwargs out",
    );
    expect(() => prompterWith("{{ thinking }}", { chatTemplateKwargs })).toThrow(
      "m has a chat template that knows no enable_thinking: leave --chat-template-kwargs out",
    );
  });
});
