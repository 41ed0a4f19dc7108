import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Asking, BARE, CHAT_FORMATS, modelfile } from "../../beyond/export/ollama.ts";
import { openGgufModel } from "../../beyond/gguf/open.ts";
import golden from "../golden/ollama.json";

test("the templates write, in Go, what is said here of them", () => {
  const here = Object.entries(CHAT_FORMATS).map(([name, { go, asks }]) => [name, go + asks]);
  expect({ ...Object.fromEntries(here), bare: BARE }).toEqual(golden.templates);
  for (const [name, { turn, asks }] of Object.entries(CHAT_FORMATS)) {
    const texts = golden.conversations.map(
      (turns) => turns.map(({ role, content }) => turn(role, content)).join("") + asks,
    );
    expect(texts).toEqual(golden.texts[name as "chatml" | "llama3"]);
  }
  expect(golden.texts.bare.slice(0, 2)).toEqual(["1+1?", "Be brief.\n\n1+1?"]);
});

const model = await openGgufModel(join(import.meta.dir, "../golden/gguf-qwen2.gguf"));
/** The Modelfile of a model with this chat template; `files` are others of its files. */
const fileOf = (
  chat_template: string | undefined,
  asking: Asking | null = null,
  changes: Record<string, object> = {},
) => {
  const config = JSON.parse(model.files["tokenizer_config.json"]);
  const files = { ...model.files };
  for (const [name, content] of Object.entries({
    "tokenizer_config.json": { ...config, chat_template },
    ...changes,
  })) {
    files[name] = JSON.stringify(content);
  }
  return modelfile({ ...model, files }, "out/m.gguf", asking);
};
const turns = (turn: string) => `{% for m in messages %}${turn}{% endfor %}`;
const CHATML = turns("{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}");
const ASKS = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
const DEFAULT =
  "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}";
const LLAMA3 = `${turns(
  "{% if loop.first %}{{ bos_token }}{% endif %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' }}",
)}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}`;

describe("a Modelfile", () => {
  const { chatml, llama3 } = golden.templates;

  test("has a template where it writes what the model's own writes", () => {
    expect(fileOf(CHATML + ASKS)).toEqual({
      text: `FROM ./m.gguf\nTEMPLATE """${chatml}"""\nPARAMETER stop "<|im_end|>"\n`,
      notes: [],
    });
    expect(fileOf(DEFAULT + CHATML + ASKS).text).toContain(`"""${chatml}"""\nSYSTEM "Be kind."\n`);
    expect(fileOf(LLAMA3).text).toContain(`{{- range .Messages }}<|start_header_id|>`);
    expect(fileOf(LLAMA3).text).toContain(llama3);
    const thinks = `${CHATML}${ASKS}{% if not thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}`;
    expect(fileOf(thinks).text).toContain(`"""${chatml}<think>\n\n</think>\n\n"""`);
    expect(fileOf(thinks, { chatTemplateKwargs: { thinking: true } }).text).toContain(
      `"""${chatml}"""`,
    );
    expect(fileOf(undefined).text).toContain(`TEMPLATE """${BARE}"""`);
  });

  test.each([
    ["turns written otherwise", turns("[{{ m.role }}] {{ m.content }}\\n")],
    ["no line break", turns("<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>\n") + ASKS],
    [
      "a system turn that is refused",
      `{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}${CHATML}${ASKS}`,
    ],
    [
      "words added to a system turn",
      CHATML.replace("m.content", "('To ' if m.role == 'system' else '') + m.content") + ASKS,
    ],
    ["what depends on the length", `${CHATML}${ASKS}{{ messages | length }}`],
    [
      "earlier answers left out",
      CHATML.replace("m.content", "('' if m.role == 'assistant' else m.content)") + ASKS,
    ],
  ])("has none, and says so, for %s", (_, template) => {
    const { text, notes } = fileOf(template);
    expect(text).not.toContain("TEMPLATE");
    expect(notes).toEqual([expect.stringContaining("chat template has no counterpart here")]);
    expect(text).toStartWith("# the model's chat template");
  });

  test("asks and draws as the run did, else as the model's authors recommend", () => {
    const asking = {
      systemPrompt: 'Say "so"',
      promptTemplate: "{question}\nThink.",
      stop: ["\n\n"],
      temperature: 0.7,
      topP: 0.9,
    };
    const { text, notes } = fileOf(DEFAULT + CHATML + ASKS, asking);
    expect(text.split("\n").slice(-10, -1)).toEqual([
      'SYSTEM "Say "so""',
      'PARAMETER stop "<|im_end|>"',
      'PARAMETER stop """',
      "",
      '"""',
      "PARAMETER temperature 0.7",
      "PARAMETER top_p 0.9",
      "PARAMETER top_k 0",
      "PARAMETER min_p 0",
    ]);
    expect(notes).toEqual(['the run put its questions as "{question}\\nThink."']);
    const unclosed = fileOf(undefined, { systemPrompt: 'Say\n"so"' });
    expect(unclosed.text).not.toContain('SYSTEM "');
    expect(unclosed.notes).toEqual([
      'SYSTEM is left out, for its quotes would end it: "Say\\n\\"so\\""',
    ]);
    const recommended = {
      "generation_config.json": { temperature: 0.6, top_k: 20, eos_token_id: 1 },
    };
    expect(fileOf(CHATML + ASKS, null, recommended).text).toMatch(
      /PARAMETER temperature 0.6\nPARAMETER top_k 20\n$/,
    );
  });
});
