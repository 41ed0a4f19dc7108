/**
 * What a step costs on N machines, on paper: what is computed and what travels, for docs/many-machines.md. Nothing is
 * measured; rates are arguments, since they are the reader's own:
 *
 *     node scripts/bun.js bench/many-machines.ts --sampling 3000 --learning 9000
 *
 *     sampling    R / (N s), rounded up to whole questions
 *     learning    ceil(G / N) shards of R / G tokens, at l tokens a second
 *     up          G gradients of g bytes into the driver's link
 *     down        one sum of g bytes to each of N machines out of it
 */
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    sampling: { type: "string", default: "3000" },
    learning: { type: "string", default: "9000" },
    prompts: { type: "string", default: "64" },
    generations: { type: "string", default: "8" },
    tokens: { type: "string", default: "256" },
    shards: { type: "string", default: "64" },
  },
});
const [sampling, learning, prompts, generations, tokens, shards] = [
  values.sampling,
  values.learning,
  values.prompts,
  values.generations,
  values.tokens,
  values.shards,
].map(Number);

const MACHINES = [1, 2, 4, 8, 16, 32, 64];
const GRADIENTS = [
  { name: "0.5B, full", bytes: 1.98e9 },
  { name: "0.5B, LoRA of rank 16", bytes: 35e6 },
];
const LINKS = [1, 10, 100];

/** Seconds of a step on `n` machines behind links of so many Gbit/s. */
function step(n: number, gradient: number, gigabits: number): number {
  const completion = generations * tokens;
  const work =
    (Math.ceil(prompts / n) * completion) / sampling +
    (Math.ceil(shards / n) * prompts * completion) / shards / learning;
  if (n === 1) return work;
  const bytes = (shards + n) * gradient + 12 * prompts * completion;
  return work + (8 * bytes) / (gigabits * 1e9);
}

for (const { name, bytes } of GRADIENTS) {
  console.log(`\n${name}: seconds a step (times as fast as one machine)\n`);
  console.log(`| machines | ${LINKS.map((link) => `${link} Gbit/s`).join(" | ")} |`);
  console.log(`|---|${LINKS.map(() => "---").join("|")}|`);
  for (const n of MACHINES) {
    const cells = LINKS.map((link) => {
      const seconds = step(n, bytes, link);
      return `${seconds.toFixed(1)} (${(step(1, bytes, link) / seconds).toFixed(1)})`;
    });
    console.log(`| ${n} | ${cells.join(" | ")} |`);
  }
}
