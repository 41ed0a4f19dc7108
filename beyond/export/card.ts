/** Model cards, the `README.md` of a saved model: https://huggingface.co/docs/hub/model-cards */
import { existsSync } from "node:fs";
import { basename, sep } from "node:path";
import { isHubName } from "../hub/hub.ts";
import type { LoraConfig } from "../lora/lora.ts";
import { drawnText, type Evaluation, passRow } from "../measuring/evaluation.ts";
import { CARD_TAG } from "../models/card.ts";
import type { ModelFolder } from "../models/folder.ts";
import { VERSION } from "../runs/versions.ts";

/** Numbers by row and column, under a line that says of what. */
export interface CardTable {
  title: string;
  columns: readonly string[];
  rows: readonly (readonly [name: string, ...values: number[]])[];
}

/** What a card tells of a run. */
export interface CardFacts {
  run: string;
  /** As the run keeps them. */
  settings: { model: string; data: string; runName?: string | null; fromScratch?: boolean };
  /** The one that was trained. */
  model: Pick<ModelFolder, "card">;
  lora: { config: LoraConfig } | undefined;
  method: "grpo" | "sft";
  step: number;
  /** Rows of the data that are trained on. */
  rows: number;
  heldOut: CardTable | null;
}

/** The card of a run's model. Of paths only the last part is told: cards are made to be shared. */
export function modelCard(facts: CardFacts): string {
  const { run, settings, model, lora, method, step, rows, heldOut } = facts;
  const name = settings.runName ?? basename(run);
  const base = settings.fromScratch
    ? undefined
    : isOnHub(settings.model)
      ? settings.model
      : model.card?.base;
  const called = nameOf(settings.model);
  const front = [
    `library_name: ${lora ? "peft" : "transformers"}`,
    ...(base ? [`base_model: ${base}`] : []),
    ...(isOnHub(settings.data) ? ["datasets:", `- ${settings.data}`] : []),
    ...(model.card?.license ? [`license: ${model.card.license}`] : []),
    "pipeline_tag: text-generation",
    "tags:",
    `- ${CARD_TAG}`,
    ...(method === "grpo" ? ["- grpo", "- reinforcement-learning"] : ["- sft"]),
    ...(lora ? ["- lora"] : []),
  ];
  const from = settings.fromScratch
    ? `A model drawn at random, in the shape of ${code(called)},`
    : code(called);
  return `---
${front.join("\n")}
---

# ${name}

${from} after ${step} steps of ${described(facts)} on ${code(nameOf(settings.data))} (${rows} rows), by rlexplore ${VERSION}.
${lora ? `It is a LoRA of rank ${lora.config.rank} and alpha ${lora.config.alpha}, to be added to ${code(base ?? called)}.\n` : ""}${heldOut ? `\n## Held out\n\n${markdown(heldOut)}\n` : ""}
## Settings

\`\`\`yaml
${settingLines(settings).join("\n")}
\`\`\`
`;
}

const isOnHub = (name: string) => isHubName(name) && !existsSync(name);

/** The last part of a path; a name on the hub as it is. */
const nameOf = (path: string) => (isOnHub(path) ? path : path.split(sep).slice(-1)[0] || path);

const code = (text: string) => `\`${text.replaceAll("`", "'")}\``;

function described({ method, settings }: CardFacts): string {
  if (method === "sft") return "supervised next-token training";
  const { explore } = settings as { explore?: string };
  const exploring =
    explore && explore !== "none" ? ` with outcome-based exploration (${code(explore)})` : "";
  return `GRPO${exploring}`;
}

function markdown({ title, columns, rows }: CardTable): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const numbers = rows.map(([name, ...values]) => line([name, ...values.map((x) => x.toFixed(3))]));
  return [
    `${title}:`,
    "",
    line(["", ...columns]),
    line(["", ...columns].map(() => "---")),
    ...numbers,
  ].join("\n");
}

/** Settings that concern no one else, or stand elsewhere. */
const PRIVATE = new Set(
  "outputDir resume quiet json gpu noTune logCompletions tensorboard runName".split(" "),
);
/** Settings in which paths may stand. */
const PATHS = new Set(["data", "model", "evalFile", "outcome", "reward"]);
/** A path up to its last part, of this system or the other kind. */
const FOLDERS = /(?:[A-Za-z]:)?[\\/](?:[^\\/,=]+[\\/])*/g;

/** YAML: each value is JSON. */
function settingLines(settings: object): string[] {
  return Object.entries(settings)
    .filter(([key, value]) => value !== null && value !== "" && !PRIVATE.has(key))
    .map(([key, value]) => {
      const isPath = PATHS.has(key) && typeof value === "string" && !isHubName(value);
      return `${key}: ${JSON.stringify(isPath ? value.replace(FOLDERS, "") : value)}`;
    });
}

/** What evaluations of the base model and of the trained one show. */
export function heldOutTable(before: Evaluation | null, after: Evaluation): CardTable {
  const { questions, samples, sampling } = after;
  const row = (name: string, evaluation: Evaluation): [string, ...number[]] => {
    const { passAtK, distinct } = passRow(name, evaluation);
    return [name, ...passAtK.map(([, value]) => value), distinct];
  };
  return {
    title: drawnText(questions, samples, sampling),
    columns: [...passRow("", after).passAtK.map(([k]) => `pass@${k}`), "distinct"],
    rows: [...(before ? [row("base", before)] : []), row("trained", after)],
  };
}

/** The card of an adapter's model once it is merged: what the adapter's says, but for what it is. */
export function mergedCard(adapter: string | null, base: string, name: string): string {
  const told = `The adapter is merged into ${code(nameOf(base))}: this is the whole model.`;
  if (adapter === null) {
    const front = isOnHub(base) ? `base_model: ${base}\n` : "";
    return `---\nlibrary_name: transformers\n${front}pipeline_tag: text-generation\n---\n\n# ${name}\n\n${told}\n`;
  }
  const card = adapter.replace(/^library_name: peft$/m, "library_name: transformers");
  return card.replace(
    /^It is a LoRA of rank (.*), to be added to .*$/m,
    `${told} It was a LoRA of rank $1.`,
  );
}
