import { watched } from "#platform/watchdog.ts";
import type { Turn } from "../../lib/data/judge.ts";
import type { Asked } from "../../lib/data/questions.ts";
import { UserError } from "../../lib/errors.ts";
import { parseThinkTags, type Thinking, thinkingOf } from "../answers/thinking.ts";
import { messageOf } from "../terminal/quoted.ts";
import type { ModelFolder } from "./folder.ts";
import { ChatTemplate } from "./jinja.ts";
import { parseJson, specialTokens, type Tokenizer } from "./tokenizer.ts";

/** How a question is put to a model. */
export interface PromptSettings {
  systemPrompt: string | null;
  /** The user's message; every {question} in it stands for the question. */
  promptTemplate: string;
  /** Variables for the model's chat template, such as Qwen3's `enable_thinking`. */
  chatTemplateKwargs: Record<string, unknown> | null;
}

/** Fields of a turn that say something, if the chat template reads them. */
const SAID_BESIDES = ["reasoning_content", "reasoning", "thinking"];

/**
 * Turns questions and conversations into prompts: through the model's chat template, as `apply_chat_template`
 * of `transformers` does with a generation prompt; or, for a model without one, as the bare text. A template is a
 * stranger's program: one that goes on and on is given up.
 */
export class Prompter {
  readonly hasTemplate: boolean;
  /** What the template writes after what the assistant says, such as <|im_end|> and a line break. */
  readonly closing: string | null;
  readonly #source: string;
  /** What the template is called in messages. */
  readonly #name: string;
  readonly #templateText: string | null;
  readonly #template: ChatTemplate | null;
  readonly #variables: Record<string, unknown>;

  /** @throws UserError for a template that cannot be read, or arguments it has no use for */
  constructor(
    { files, source }: Pick<ModelFolder, "files" | "source">,
    readonly tokenizer: Tokenizer,
    private readonly settings: PromptSettings,
  ) {
    const text = chatTemplate(files);
    this.hasTemplate = text !== null;
    this.#source = source;
    this.#name = `the chat template of ${source}`;
    this.#templateText = text;
    for (const name of Object.keys(settings.chatTemplateKwargs ?? {})) {
      if (this.#reads(name)) continue;
      const has = text === null ? "no chat template" : `a chat template that knows no ${name}`;
      throw new UserError(`${source} has ${has}: leave --chat-template-kwargs out`);
    }
    try {
      this.#template = text === null ? null : watched(this.#name, () => new ChatTemplate(text));
    } catch (error) {
      throw new UserError(`${this.#name} cannot be read: ${messageOf(error)}`);
    }
    const tokens = specialTokens(files);
    this.#variables = { tools: null, documents: null, ...tokens, ...settings.chatTemplateKwargs };
    this.closing = this.#findClosing();
  }

  /** The text of a prompt. */
  text(asked: Asked): string {
    const turns = this.turns(asked);
    if (this.#template === null) return this.#bareText(turns);
    const last = turns[turns.length - 1];
    if (last.role !== "assistant") return this.#render(turns, true);
    // a completion that begins with this, as with `continue_final_message` of transformers
    const marked = turns.with(-1, { ...last, content: `${last.content}${MARK} ` });
    const text = this.#render(marked, false);
    const at = text.lastIndexOf(MARK);
    if (at < 0 || !text.includes(last.content.trim())) {
      throw new UserError(
        "the model's chat template changes what the assistant begins with: leave that turn out",
      );
    }
    const begun = text.slice(0, at);
    return text[at + MARK.length] === " " ? begun : begun.trimEnd();
  }

  /** How the model marks what it thinks before it answers. `given` are delimiters from the command line. */
  thinking(given: string | null): Thinking {
    return thinkingOf(this.#templateText, this.text({ question: "?" }), parseThinkTags(given));
  }

  /** The token ids of a prompt. `what` names the question in errors. */
  encodePrompt(asked: Asked, what: string): number[] {
    const text = within(what, () => this.text(asked));
    if (!this.hasTemplate) return this.tokenizer.encodePrompt(text, what);
    // The template writes what begins a text itself, and a tokenizer may read it back differently.
    for (const { content } of this.turns(asked)) this.tokenizer.requireReadable(content, what);
    return this.tokenizer.encode(text);
  }

  /** What the assistant says to a prompt, up to where its turn is closed. */
  reply(asked: Asked, turn: Turn, what: string): string {
    if (!this.hasTemplate) return turn.content;
    return within(what, () => {
      const before = this.text(asked);
      const all = this.#render([...this.turns(asked), turn], false);
      if (this.closing === null || !all.startsWith(before) || !all.endsWith(this.closing)) {
        throw new UserError(
          'the model\'s chat template writes what the assistant said otherwise than it asks for it; give "prompt" and "completion" as texts',
        );
      }
      return all.slice(before.length, all.length - this.closing.length);
    });
  }

  /** All turns that a prompt is made of. */
  turns({ question, turns }: Asked): readonly Turn[] {
    const { systemPrompt, promptTemplate } = this.settings;
    const given = turns ?? [{ role: "user", content: question }];
    const last = given.findLastIndex(({ role }) => role === "user");
    const content = promptTemplate.replaceAll("{question}", () => given[last].content);
    const all = given.with(last, { ...given[last], content });
    if (!systemPrompt) return all;
    if (/^(?:system|developer)$/.test(given[0].role)) {
      throw new UserError("the conversation has its own system turn: leave --system-prompt out");
    }
    return [{ role: "system", content: systemPrompt }, ...all];
  }

  /** A model without a template takes one text: a question, which a system message may precede. */
  #bareText(turns: readonly Turn[]): string {
    const roles = turns.map(({ role }) => role).join();
    if (roles === "user" || roles === "system,user") {
      return turns.map(({ content }) => content).join("\n\n");
    }
    throw new UserError(
      `${this.#source} has no chat template for a conversation of ${turns.length} turns (${roles.slice(0, 60)}); give it single questions, or --model with a model that has one`,
    );
  }

  #render(messages: readonly Turn[], add_generation_prompt: boolean): string {
    for (const name of SAID_BESIDES) {
      if (this.#reads(name) || messages.every((turn) => !turn[name])) continue;
      throw new UserError(`the model's chat template does not read "${name}" of a turn`);
    }
    try {
      const given = { messages, add_generation_prompt, ...this.#variables };
      return watched(this.#name, () => (this.#template as ChatTemplate).render(given));
    } catch (error) {
      throw new UserError(`the model's chat template refuses the prompt: ${messageOf(error)}`);
    }
  }

  #reads(name: string): boolean {
    return new RegExp(`\\b${RegExp.escape(name)}\\b`).test(this.#templateText ?? "");
  }

  #findClosing(): string | null {
    if (this.#template === null) return null;
    const turns = [
      { role: "user", content: "?" },
      { role: "assistant", content: MARK },
    ];
    try {
      const text = this.#render(turns, false);
      const at = text.lastIndexOf(MARK);
      return at < 0 ? null : text.slice(at + MARK.length);
    } catch {
      return null; // a template for other conversations; it says so itself when it is used
    }
  }
}

/** Marks a place in what a template writes. */
const MARK = "CONTINUE_FINAL_MESSAGE_TAG";

/** Runs `make`; an error of the user's is told with its place. */
function within<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${what}: ${error.message}`);
    throw error;
  }
}

/** The chat template of a model, null if it has none; of several, the one called default. */
export function chatTemplate(files: Record<string, string>): string | null {
  const name = "tokenizer_config.json";
  const { chat_template: stored } = parseJson(files[name] ?? "{}", name);
  const listed = Array.isArray(stored)
    ? stored.find((entry) => entry?.name === "default")?.template
    : stored;
  const template = files["chat_template.jinja"] || listed;
  // Jinja reads every line break as one character
  return typeof template === "string" ? template.replace(/\r\n?/g, "\n") : null;
}
