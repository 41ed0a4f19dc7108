/**
 * A step on N machines, simulated, for docs/many-machines.md: what each machine and the driver's link is busy with, from
 * rates. Those of the bridge were measured (`--sum`, `--pipe`, `--halves`: numpy and zlib, GB/s of float32 on one core of an AMD
 * EPYC; sums use `--cores`); those of the GPUs are the reader's own:
 *
 *     node scripts/bun.js bench/many-machines.ts --sampling 3000 --learning 9000
 *
 *     sampling    the questions in N parts
 *     learning    G shards, each by whichever machine is free next
 *     up          a shard goes through its worker's pipe and, slab by slab, through the driver's link unless it was made there
 *     sum         shards are added in order, each when it and those before it are there
 *     down        the sum goes through the link to each of the other machines and, slab by slab, through their pipes
 */
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    sampling: { type: "string", default: "3000" },
    learning: { type: "string", default: "9000" },
    prompts: { type: "string", default: "64" },
    generations: { type: "string", default: "8" },
    tokens: { type: "string", default: "256" },
    sum: { type: "string", default: "6.7" },
    pipe: { type: "string", default: "2.2" },
    halves: { type: "string", default: "1.0" },
    cores: { type: "string", default: "8" },
  },
});
const given = (name: keyof typeof values) => Number(values[name]);
const [sampling, learning] = [given("sampling"), given("learning")];
const prompts = given("prompts");
const completion = given("generations") * given("tokens");
// bytes of float32 a second
const cores = given("cores");
const [sum, halves] = [1e9 * cores * given("sum"), 1e9 * cores * given("halves")];
const pipe = 1e9 * given("pipe");

const MACHINES = [1, 2, 4, 8, 16, 32, 64];
const LINKS = [1, 10, 100];
/** Bytes. */
const SLAB = 64 << 20;
const GRADIENTS = [
  { name: "0.5B, LoRA of rank 16, G = 64", bytes: 35e6, shards: 64, isHalf: false },
  { name: "0.5B, full, G = 8", bytes: 1.98e9, shards: 8, isHalf: false },
  { name: "0.5B, full, G = 64", bytes: 1.98e9, shards: 64, isHalf: false },
  { name: "0.5B, full, G = 8, --gradient-dtype f16", bytes: 1.98e9, shards: 8, isHalf: true },
];
type Gradient = (typeof GRADIENTS)[number];

/** Seconds of a step on `n` machines behind links of so many Gbit/s. */
function step(n: number, { bytes, shards, isHalf }: Gradient, gigabits: number): number {
  const onWire = isHalf ? bytes / 2 : bytes;
  const overLink = (8 * onWire) / (gigabits * 1e9);
  const throughPipe = onWire / pipe;
  const lastSlab = (8 * Math.min(SLAB, onWire)) / (gigabits * 1e9);
  const added = bytes / sum + (isHalf ? bytes / halves : 0);
  const oneShard = (prompts * completion) / shards / learning;
  const rollouts = (12 * prompts * completion * 8) / (gigabits * 1e9);
  const sampled = (Math.ceil(prompts / n) * completion) / sampling;
  const start = sampled + (n > 1 ? rollouts * (1 - 1 / n) : 0);
  if (n === 1) return start + shards * oneShard;
  const free = Array<number>(n).fill(start);
  let [link, whole] = [start, start];
  for (let i = 0; i < shards; i++) {
    const machine = free.indexOf(Math.min(...free));
    // a worker makes its next shard when the last one is out of its pipe
    const made = free[machine] + oneShard;
    let there = made + throughPipe;
    free[machine] = there;
    if (machine > 0) {
      link = Math.max(Math.max(link, made) + overLink, there + lastSlab);
      there = link;
    }
    whole = Math.max(whole, there) + added;
  }
  const down = Math.max((n - 1) * overLink, throughPipe) + Math.min(SLAB, onWire) / pipe;
  return whole + (isHalf ? bytes / halves : 0) + down;
}

for (const gradient of GRADIENTS) {
  console.log(`\n${gradient.name}: seconds a step (times as fast as one machine)\n`);
  console.log(`| machines | ${LINKS.map((link) => `${link} Gbit/s`).join(" | ")} |`);
  console.log(`|---|${LINKS.map(() => "---").join("|")}|`);
  for (const n of MACHINES) {
    const cells = LINKS.map((link) => {
      const seconds = step(n, gradient, link);
      return `${seconds.toFixed(1)} (${(step(1, gradient, link) / seconds).toFixed(1)})`;
    });
    console.log(`| ${n} | ${cells.join(" | ")} |`);
  }
}
