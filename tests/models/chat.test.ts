import { describe, expect, test } from "bun:test";
import { chatTemplate, Prompter, type PromptSettings } from "../../beyond/models/chat.ts";
import { openEmbeddedModel } from "../../beyond/models/embedded.ts";
import { ChatTemplate } from "../../beyond/models/jinja.ts";
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

describe("a conversation gives what apply_chat_template gives, and so does what is said to it", () => {
  const { templates, conversations } = golden;
  test.each(Object.keys(templates))("%s", (name) => {
    const own = conversations.filter(({ template }) => template === name);
    expect(own.length).toBe(4);
    for (const { turns, kwargs, prompt, whole } of own) {
      const template = templates[name as keyof typeof templates];
      const chatTemplateKwargs = Object.keys(kwargs).length > 0 ? kwargs : null;
      const prompter = prompterWith(template, { chatTemplateKwargs });
      const question = turns.findLast(({ role }) => role === "user")?.content ?? "";
      const asked = { question, turns };
      if (prompt === null) {
        expect(() => prompter.text(asked)).toThrow(UserError);
        continue;
      }
      expect(prompter.text(asked)).toBe(prompt);
      if (whole === null) continue;
      const reply = () =>
        prompter.reply(asked, { role: "assistant", content: "It is 2.\n" }, "d:1");
      // DeepSeek's asks for thoughts that it leaves out of what was said
      if (!whole.startsWith(prompt)) expect(reply).toThrow("otherwise than it asks for it");
      else expect(prompt + reply() + prompter.closing).toBe(whole);
    }
  });
});

describe("values, loops and texts are Python's, as in transformers", () => {
  const { snippets, turns } = golden;
  test.each(snippets)("$template", ({ template, text }) => {
    const render = () => new ChatTemplate(template).render({ messages: turns });
    if (text === null) expect(render).toThrow();
    else expect(render()).toBe(text);
  });
});

test.each([
  ...["{{ messages|map(attribute='role') }}", "{{ [1]|reverse }}", "{{ {'a': 1}.items() }}"],
  ...["{{ 2 ** 60 }}", "{{ {'items': 1}.items }}", "{{ range(9)[1:] }}"],
  "{% set g = messages|map(attribute='role') %}{{ g|join }}{{ g|join }}",
  "{% for i in [1] %}{{ loop }}{% endfor %}",
  "{% for i in [1] %}{{ loop.depth }}{% endfor %}",
])("what Python has otherwise is refused: %s", (template) => {
  const render = () => new ChatTemplate(template).render({ messages: golden.turns });
  expect(render).toThrow(/^it (?:writes|reads|takes|goes)/);
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

describe("a conversation", () => {
  const chatml =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  const user = (content: string) => ({ role: "user", content });
  const system = { role: "system", content: "Be brief." };
  const asked = { question: "2+2=", turns: [system, user("2+2=")] };
  test("is rendered with every turn; --prompt-template is for the last of the user's", () => {
    const turns = [user("1+1="), { role: "assistant", content: "2" }, user("2+2=")];
    const prompter = prompterWith(chatml, { promptTemplate: "{question} ?", systemPrompt: "S" });
    expect(prompter.text({ question: "2+2=", turns })).toBe(
      "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n1+1=<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n<|im_start|>user\n2+2= ?<|im_end|>\n<|im_start|>assistant\n",
    );
    expect(() => prompter.encodePrompt(asked, "d:3")).toThrow(
      "d:3: the conversation has its own system turn: leave --system-prompt out",
    );
  });
  test("that ends with the assistant's turn goes on in it", () => {
    const turns = [user("2+2="), { role: "assistant", content: "Let me " }];
    const begun = "<|im_start|>user\n2+2=<|im_end|>\n<|im_start|>assistant\nLet me";
    const said = { question: "2+2=", turns };
    expect(prompterWith(chatml).text(said)).toBe(`${begun} `);
    expect(prompterWith(chatml.replace("m.content", "m.content | trim")).text(said)).toBe(begun);
  });
  test("without a template may have a system turn and a question, no more", () => {
    expect(prompterWith(undefined).text(asked)).toBe("Be brief.\n\n2+2=");
    const turns = [user("a"), user("b")];
    expect(() => prompterWith(undefined).text({ question: "b", turns })).toThrow(
      "m has no chat template for a conversation of 2 turns (user,user)",
    );
  });
  test("with reasoning that the template does not read is refused", () => {
    const turns = [{ ...user("a"), reasoning_content: "hm" }, user("b")];
    const said = { question: "b", turns };
    expect(() => prompterWith(chatml).text(said)).toThrow('does not read "reasoning_content"');
    const reads = chatml.replace("m.content", "m.content ~ (m.reasoning_content or '')");
    expect(prompterWith(reads).text(said)).toContain("ahm<|im_end|>");
  });
  test("a template with line breaks of Windows writes what it writes without", () => {
    const text = prompterWith(chatml.replaceAll("\n", "\r\n")).text(asked);
    expect(text).toBe(prompterWith(chatml).text(asked));
  });
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
