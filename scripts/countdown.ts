// A second small task and a base model of its own, for experiments/countdown.yaml: countdown with three or
// four numbers below ten, `3,5,8:64=`, answered by an expression, `####(3+5)*8`. Many are right.
// Half of the texts that the base model learns from are right; the others use the numbers, but miss the
// target. Writes runs/countdown/ (questions, `base`) in some fifteen minutes of a processor:
//   node scripts/bun.js scripts/countdown.ts
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { type CountdownRow, drawCountdown, randomExpression } from "../beyond/tasks/countdown.ts";
import { makeRows, toJsonLines } from "../beyond/tasks/tasks.ts";
import { Random } from "../lib/random.ts";
import config from "../models/base/config.json" with { type: "json" };
import tokenizer from "../models/base/tokenizer.json" with { type: "json" };
import { fromScratch, ROWS_PER_STEP, SEED } from "./from-scratch.ts";

const STEPS = 3000;
/** Texts that are right. */
const RIGHT = 0.5;
const TASKS = { numbers: [3, 4], minNumber: 1, maxNumber: 9, minTarget: 1, maxTarget: 99 };
const PARTS = { train: 4096, validation: 256, test: 128 };

const question = ({ nums, target }: CountdownRow) => `${nums.join(",")}:${target}=`;
const written = (expression: string) => `####${expression.replaceAll(" ", "")}`;

function text(index: number): { prompt: string; completion: string } {
  const random = new Random(SEED, 1, index);
  const row = drawCountdown(random, TASKS);
  const prompt = question(row);
  if (random.chance(RIGHT)) return { prompt, completion: written(row.answer) };
  for (;;) {
    const { value, text } = randomExpression(row.nums, random);
    if (value !== row.target) return { prompt, completion: written(text) };
  }
}

const root = "runs/countdown";
const blank = `${root}/blank`;
mkdirSync(blank, { recursive: true });
const characters = ["<eos>", ..."0123456789+-*/(),:=", "####"];
const vocab = Object.fromEntries(characters.map((character, id) => [character, id]));
const marker = { ...tokenizer.added_tokens[0], id: vocab["####"], content: "####", special: false };
writeFileSync(
  `${blank}/tokenizer.json`,
  JSON.stringify({
    ...tokenizer,
    added_tokens: [...tokenizer.added_tokens, marker],
    model: { ...tokenizer.model, vocab },
  }),
);
writeFileSync(
  `${blank}/config.json`,
  JSON.stringify({ ...config, vocab_size: characters.length }, null, 2),
);
cpSync("models/base/tokenizer_config.json", `${blank}/tokenizer_config.json`);

let skip = 0;
for (const [part, n] of Object.entries(PARTS)) {
  const rows = makeRows("countdown", {
    ...TASKS,
    seed: SEED,
    skip,
    n,
  }) as unknown as CountdownRow[];
  const short = rows.map((row) => ({ ...row, question: question(row) }));
  writeFileSync(`${root}/${part}.jsonl`, toJsonLines(short));
  skip += n;
}

const texts = Array.from(
  { length: STEPS * ROWS_PER_STEP },
  (_, i) => `${JSON.stringify(text(i))}\n`,
);
writeFileSync(`${root}/texts.jsonl`, texts.join(""));
const path = await fromScratch(blank, `${root}/texts.jsonl`, {
  run: `${root}/pretraining`,
  steps: STEPS,
  saveSteps: 500,
});
cpSync(path, `${root}/base`, { recursive: true });
for (const done of ["blank", "pretraining", "texts.jsonl"])
  rmSync(`${root}/${done}`, { recursive: true });
