import { Template } from "@huggingface/jinja";
import { UserError } from "../../lib/errors.ts";
import { parseThinkTags, type Thinking, thinkingOf } from "../answers/thinking.ts";
import type { ModelFolder } from "./folder.ts";
import { parseJson, specialTokens, type Tokenizer } from "./tokenizer.ts";

/** How a question is put to a model. */
export interface PromptSettings {
  systemPrompt: string | null;
  /** The user's message; every {question} in it stands for the question. */
  promptTemplate: string;
  /** Variables for the model's chat template, such as Qwen3's `enable_thinking`. */
  chatTemplateKwargs: Record<string, unknown> | null;
}

/**
 * Turns questions into prompts: through the model's chat template, as `apply_chat_template` of
 * `transformers` does with a generation prompt; or, for a model without one, as the bare text.
 */
export class Prompter {
  readonly hasTemplate: boolean;
  readonly #template: Template | null;
  readonly #source: string | null;
  readonly #variables: Record<string, unknown>;

  /** @throws UserError for a template that cannot be read, or arguments it has no use for */
  constructor(
    { files, source }: Pick<ModelFolder, "files" | "source">,
    readonly tokenizer: Tokenizer,
    private readonly settings: PromptSettings,
  ) {
    const text = chatTemplate(files);
    this.hasTemplate = text !== null;
    this.#source = text;
    for (const name of Object.keys(settings.chatTemplateKwargs ?? {})) {
      if (text !== null && new RegExp(`\\b${RegExp.escape(name)}\\b`).test(text)) continue;
      const has = text === null ? "no chat template" : `a chat template that knows no ${name}`;
      throw new UserError(`${source} has ${has}: leave --chat-template-kwargs out`);
    }
    try {
      this.#template = text === null ? null : new Template(text);
    } catch (error) {
      throw new UserError(`the chat template of ${source} cannot be read: ${messageOf(error)}`);
    }
    const tokens = specialTokens(files);
    this.#variables = { tools: null, documents: null, ...tokens, ...settings.chatTemplateKwargs };
  }

  /** The text of a question's prompt. */
  text(question: string): string {
    const { systemPrompt, promptTemplate } = this.settings;
    const content = promptTemplate.replaceAll("{question}", () => question);
    if (this.#template === null) return systemPrompt ? `${systemPrompt}\n\n${content}` : content;
    const messages = [{ role: "user", content }];
    if (systemPrompt) messages.unshift({ role: "system", content: systemPrompt });
    try {
      return this.#template.render({ messages, add_generation_prompt: true, ...this.#variables });
    } catch (error) {
      throw new UserError(`the model's chat template refuses the prompt: ${messageOf(error)}`);
    }
  }

  /** How the model marks what it thinks before it answers. `given` are delimiters from the command line. */
  thinking(given: string | null): Thinking {
    return thinkingOf(this.#source, this.text("?"), parseThinkTags(given));
  }

  /** The token ids of a question's prompt. `what` names the question in errors. */
  encodePrompt(question: string, what: string): number[] {
    const text = this.text(question);
    if (!this.hasTemplate) return this.tokenizer.encodePrompt(text, what);
    // The template writes what begins a text itself, and a tokenizer may read it back differently.
    this.tokenizer.requireReadable(question, what);
    return this.tokenizer.encode(text);
  }
}

const messageOf = (error: unknown) => (error as Error).message;

/** The chat template of a model, null if it has none; of several, the one called default. */
export function chatTemplate(files: Record<string, string>): string | null {
  if (files["chat_template.jinja"]) return files["chat_template.jinja"];
  const name = "tokenizer_config.json";
  const { chat_template: stored } = parseJson(files[name] ?? "{}", name);
  const template = Array.isArray(stored)
    ? stored.find((entry) => entry?.name === "default")?.template
    : stored;
  return typeof template === "string" ? template : null;
}
