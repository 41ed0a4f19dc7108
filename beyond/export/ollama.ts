/** Ollama's Modelfile: https://github.com/ollama/ollama/blob/main/docs/modelfile.md */
import { basename } from "node:path";
import type { Turn } from "../../lib/data/judge.ts";
import { UserError } from "../../lib/errors.ts";
import { Prompter } from "../models/chat.ts";
import { endTokens } from "../models/end-tokens.ts";
import type { ModelFolder } from "../models/folder.ts";
import type { Tokenizer } from "../models/tokenizer.ts";
import { tokenizerOf } from "../opening/named-model.ts";

/** How conversations are written, as Ollama's template (Go's text/template) and here. */
interface ChatFormat {
  /** The turns, of the roles system, user and assistant. */
  go: string;
  turn: (role: string, content: string) => string;
  /** With what the assistant's answer begins. */
  asks: string;
}

export const CHAT_FORMATS: Record<string, ChatFormat> = {
  chatml: {
    go: "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}",
    turn: (role, content) => `<|im_start|>${role}\n${content}<|im_end|>\n`,
    asks: "<|im_start|>assistant\n",
  },
  llama3: {
    go: "{{- range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>\n\n{{ .Content }}<|eot_id|>{{ end }}",
    turn: (role, content) => `<|start_header_id|>${role}<|end_header_id|>\n\n${content}<|eot_id|>`,
    asks: "<|start_header_id|>assistant<|end_header_id|>\n\n",
  },
};

/** What a model without a chat template gets. */
export const BARE = "{{ if .System }}{{ .System }}\n\n{{ end }}{{ .Prompt }}";

/** How a run asked its model, and drew completions; as its settings have it. */
export interface Asking {
  systemPrompt?: string | null;
  promptTemplate?: string;
  chatTemplateKwargs?: Record<string, unknown> | null;
  stop?: readonly string[];
  temperature?: number;
  topP?: number;
  topK?: number;
  minP?: number;
}

/**
 * The Modelfile of a model in the GGUF file `gguf` beside it, which asks as the run did.
 * @param asking null for a model of no run
 * @returns it, and what is to be said of it
 */
export function modelfile(
  model: ModelFolder,
  gguf: string,
  asking: Asking | null,
): { text: string; notes: string[] } {
  const tokenizer = tokenizerOf(model);
  const { system, template, notes } = templateOf(model, tokenizer, asking ?? {});
  const asks = asking?.promptTemplate ?? QUESTION;
  if (asks !== QUESTION) notes.push(`the run put its questions as ${JSON.stringify(asks)}`);
  const ends = endTokens(model, tokenizer).ids.map((id) => tokenizer.decode([id], true));
  const stops = new Set([...ends, ...(asking?.stop ?? [])]);
  const drawn = asking?.temperature === undefined ? recommended(model) : samplingOf(asking);
  const lines = [
    `FROM ./${basename(gguf)}`,
    ...(template === null ? [] : instruction("TEMPLATE", template, notes)),
    ...(system === null ? [] : instruction("SYSTEM", system, notes)),
    ...[...stops].flatMap((stop) => instruction("PARAMETER stop", stop, notes)),
    ...Object.entries(drawn).map(([name, value]) => `PARAMETER ${name} ${value}`),
  ];
  const comments = notes.map((note) => `# ${note}`);
  return { text: `${[...comments, ...lines].join("\n")}\n`, notes };
}

const QUESTION = "{question}";
/** An instruction with a text, which Ollama reads up to the closing quotes; of one that has them nothing but a note. */
function instruction(name: string, text: string, notes: string[]): string[] {
  const isLong = text.includes("\n");
  if (text.includes('"""') || (isLong && text.endsWith('"'))) {
    notes.push(`${name} is left out, for its quotes would end it: ${JSON.stringify(text)}`);
    return [];
  }
  return [isLong ? `${name} """${text}"""` : `${name} "${text}"`];
}

/** Ollama's own defaults are others, so all are named. */
const samplingOf = ({ temperature, topP = 1, topK = 0, minP = 0 }: Asking) => ({
  temperature,
  top_p: topP,
  top_k: topK,
  min_p: minP,
});

/** What the model's authors recommend. */
function recommended({ files }: ModelFolder): Record<string, number> {
  const generation = JSON.parse(files["generation_config.json"] ?? "{}");
  const names = ["temperature", "top_p", "top_k", "min_p"];
  return Object.fromEntries(
    names.flatMap((name) =>
      typeof generation[name] === "number" ? [[name, generation[name]]] : [],
    ),
  );
}

/**
 * The template that writes what the model's own chat template writes, as trying it on conversations shows; none where
 * Ollama would write something else.
 */
function templateOf(model: ModelFolder, tokenizer: Tokenizer, asking: Asking) {
  const prompter = new Prompter(model, tokenizer, {
    systemPrompt: null,
    promptTemplate: QUESTION,
    chatTemplateKwargs: asking.chatTemplateKwargs ?? null,
  });
  const system = asking.systemPrompt ?? null;
  if (!prompter.hasTemplate) return { template: BARE, system, notes: [] as string[] };
  for (const format of Object.values(CHAT_FORMATS)) {
    const found = fitted(format, prompter, tokenizer);
    if (!found) continue;
    const template = `${found.before}${format.go}${format.asks}${found.after}`;
    return { template, system: system ?? found.system, notes: [] as string[] };
  }
  const note =
    "the model's chat template has no counterpart here: Ollama uses what it recognises in the file, so compare a prompt";
  return { template: null, system, notes: [note] };
}

const SYSTEM: Turn = { role: "system", content: "Be b." };
const TURNS: Turn[] = [
  { role: "user", content: "One?" },
  { role: "assistant", content: "Two." },
  { role: "user", content: "Three?" },
];

/** What surrounds a conversation in this format, and the system turn that one without gets; null if it is another. */
function fitted(format: ChatFormat, prompter: Prompter, tokenizer: Tokenizer) {
  const written = (turns: readonly Turn[]) =>
    turns.map(({ role, content }) => format.turn(role, content)).join("") + format.asks;
  const asked = (turns: readonly Turn[]): [string, string] | null => {
    const text = prompter.text({ question: "", turns });
    const at = text.indexOf(written(turns));
    return at < 0 ? null : [text.slice(0, at), text.slice(at + written(turns).length)];
  };
  try {
    const all = [[SYSTEM, TURNS[0]], [SYSTEM, ...TURNS], [TURNS[0]], TURNS].map(asked);
    const [first] = all;
    if (!first || all.some((around) => around?.[1] !== first[1])) return null;
    // llama.cpp writes the tokens that begin every text
    const begin = tokenizer.decode(tokenizer.prefixIds, true);
    if (!all.slice(0, 2).every((around) => around?.[0] === first[0])) return null;
    if (!first[0].startsWith(begin) || /\{\{|\}\}/.test(first.join(""))) return null;
    const [, , alone, long] = all.map((around) => (around as [string, string])[0]);
    if (alone !== long || !alone.startsWith(first[0])) return null;
    const system = contentOf(alone.slice(first[0].length), format);
    return system === undefined
      ? null
      : { before: first[0].slice(begin.length), after: first[1], system };
  } catch (error) {
    if (error instanceof UserError) return null; // it refuses such conversations
    throw error;
  }
}

/** What the system turn `text` says; null for no text, undefined for another. */
function contentOf(text: string, format: ChatFormat): string | null | undefined {
  if (text === "") return null;
  const [before, after] = format.turn("system", "\0").split("\0");
  if (!text.startsWith(before) || !text.endsWith(after)) return undefined;
  const content = text.slice(before.length, -after.length);
  return format.turn("system", content) === text && !content.includes(after.trim())
    ? content
    : undefined;
}
