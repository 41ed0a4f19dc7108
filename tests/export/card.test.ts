import { expect, test } from "bun:test";
import { heldOutTable, mergedCard, modelCard } from "../../beyond/export/card.ts";
import { readCard } from "../../beyond/models/card.ts";

const settings = {
  model: "org/base",
  data: "/home/me/secret/sums.jsonl",
  reward: "correct=1,/home/me/mine.ts:bonus=0.5",
  evalFile: "C:\\Users\\me\\held.jsonl",
  promptTemplate: "{question}\nUse a/b.",
  explore: "ucb-con",
  learningRate: 1e-6,
  outputDir: "/home/me/runs/x",
  systemPrompt: null,
  quiet: true,
};
const evaluation = (passAt1: number) => ({
  questions: 8,
  samples: 2,
  sampling: { temperature: 0.7, topP: 1, topK: 0, minP: 0, maxCompletionLength: 9 },
  figures: { "pass@1": passAt1, "pass@2": 0.75, "diff@2": 1.5 },
});
const facts = {
  run: "runs/x",
  settings,
  model: { card: { license: "apache-2.0" } },
  lora: undefined,
  method: "grpo",
  step: 30,
  rows: 123,
  heldOut: heldOutTable(evaluation(0.25), evaluation(0.5)),
} as const;

test("a card tells base, licence, data, method, settings and what held-out questions show, but no paths", async () => {
  const card = modelCard(facts);
  expect(card).toStartWith(`---
library_name: transformers
base_model: org/base
license: apache-2.0
pipeline_tag: text-generation
tags:
- rlexplore
- grpo
- reinforcement-learning
---

# x

\`org/base\` after 30 steps of GRPO with outcome-based exploration (\`ucb-con\`) on \`sums.jsonl\` (123 rows), by`);
  expect(card).toContain(`## Held out

8 questions, 2 samples each, temperature 0.7:

|  | pass@1 | pass@2 | distinct |
| --- | --- | --- | --- |
| base | 0.250 | 0.750 | 1.500 |
| trained | 0.500 | 0.750 | 1.500 |
`);
  expect(card).toContain(`\`\`\`yaml
model: "org/base"
data: "sums.jsonl"
reward: "correct=1,mine.ts:bonus=0.5"
evalFile: "held.jsonl"
promptTemplate: "{question}\\nUse a/b."
explore: "ucb-con"
learningRate: 0.000001
\`\`\``);
  expect(card).not.toMatch(/home|Users/);
  expect(await readCard(new Blob([card]))).toEqual({ license: "apache-2.0", base: "org/base" });
});

test("a model trained from this program's model has that one's base; one of other tags tells its own alone", () => {
  const from = (card: object, changes: object = {}) =>
    modelCard({
      ...facts,
      ...changes,
      model: { card },
      settings: { ...settings, model: "/runs/one" },
    });
  expect(from({ base: "org/base" })).toContain("base_model: org/base\n");
  expect(from({})).not.toContain("base_model");
  expect(from({}, { heldOut: null })).not.toContain("Held out");
  const drawn = { ...facts, settings: { ...settings, data: "org/set", fromScratch: true } };
  expect(modelCard(drawn)).toContain("datasets:\n- org/set\n");
  expect(modelCard(drawn)).not.toContain("base_model");
});

test("a card of someone else's", async () => {
  const read = (text: string) => readCard(new Blob([text]));
  expect(await read("---\r\nlicense: 'mit'\r\nbase_model: a/b\r\n---\r\n")).toEqual({
    license: "mit",
    base: undefined,
  });
  expect(await read("# no head\nlicense: mit\n")).toEqual({ license: undefined, base: undefined });
  expect(await read(`---\nlicense:\n- a\n- b\n---`)).toEqual({
    license: undefined,
    base: undefined,
  });
  expect(await readCard(null)).toEqual({ license: undefined, base: undefined });
});

test("an adapter's card, and what it becomes when it is merged", () => {
  const lora = { config: { rank: 8, alpha: 16, targets: ["q_proj" as const] } };
  const adapter = modelCard({ ...facts, lora, method: "sft" });
  expect(adapter).toContain("library_name: peft\n");
  expect(adapter).toContain("- sft\n- lora\n");
  expect(adapter).toContain("It is a LoRA of rank 8 and alpha 16, to be added to `org/base`.\n");
  const merged = mergedCard(adapter, "org/base", "merged");
  expect(merged).toContain("library_name: transformers\n");
  expect(merged).toContain(
    "The adapter is merged into `org/base`: this is the whole model. It was a LoRA of rank 8 and alpha 16.\n",
  );
  expect(merged).toContain("## Settings");
  expect(mergedCard(null, "org/base", "merged")).toBe(
    "---\nlibrary_name: transformers\nbase_model: org/base\npipeline_tag: text-generation\n---\n\n# merged\n\nThe adapter is merged into `org/base`: this is the whole model.\n",
  );
});
