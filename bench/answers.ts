// How fast answers are judged, and a long fuzz of what judges them:
//   node scripts/bun.js bench/answers.ts [texts to fuzz, a million by default]
import { findStated } from "../lib/data/outcome/extract.ts";
import { mathKey } from "../lib/data/outcome/math/canonical.ts";
import { openOutcome } from "../lib/data/outcome.ts";
import { Random } from "../lib/data/random.ts";
import { readPairs } from "../scripts/answers.ts";
import { hostileAnswer, polynomial } from "../tests/answers.ts";

function rate(name: string, answers: string[]): void {
  const began = performance.now();
  for (const answer of answers) mathKey(answer);
  const seconds = (performance.now() - began) / 1000;
  console.log(`${name}: ${Math.round(answers.length / seconds).toLocaleString("en")} a second`);
}

const random = new Random(1);
const pairs = await readPairs();
const golds = pairs.map(({ gold }) => gold);
const latex = Array.from({ length: 2000 }, () => polynomial(random)[random.int(3)]);
for (const answer of golds) mathKey(answer);

rate(
  "plain numbers",
  Array.from({ length: 200_000 }, (_, i) => `${1 + (i % 999)},${100 + (i % 900)}.${i}`),
);
rate("general LaTeX, each seen once", latex);
rate(
  "general LaTeX, seen before",
  latex.flatMap((text) => Array<string>(50).fill(text)),
);

// a step of training: 16 questions, 64 completions each, a third of them with an answer not seen before
const math = await openOutcome("math");
const completions = Array.from({ length: 1024 }, (_, i) => {
  const answer = i % 3 === 0 ? polynomial(random)[1] : random.pick(golds);
  return { text: `${"Let us think. ".repeat(100)}\\boxed{${answer}}`, truncated: false };
});
await math.judge(completions.slice(0, 1), {
  row: { question: "", answer: "1", line: 0 },
  gold: "1",
});
for (const name of ["first", "second"]) {
  const began = performance.now();
  for (let q = 0; q < 16; q++) {
    const row = { question: `q${q}`, answer: "\\frac{1}{2}", line: q };
    await math.judge(completions.slice(64 * q, 64 * q + 64), { row, gold: "1/2" });
  }
  console.log(`1,024 completions, ${name} step: ${(performance.now() - began).toFixed(0)} ms`);
}

const texts = Number(process.argv[2] ?? 1_000_000);
let [slowest, text, changed, thrown] = [0, "", 0, 0];
for (let i = 0; i < texts; i++) {
  const answer = hostileAnswer(random, golds);
  const began = performance.now();
  try {
    const key = mathKey(findStated(`\\boxed{${answer}}`)?.text ?? answer);
    if (key !== null && mathKey(key) !== key) {
      if (changed++ < 10) console.log(`not its own key: ${JSON.stringify(answer)}: ${key}`);
    }
  } catch (error) {
    if (thrown++ < 10) console.log(`thrown: ${JSON.stringify(answer)}: ${error}`);
  }
  const ms = performance.now() - began;
  if (ms > slowest) [slowest, text] = [ms, answer];
}
const memory = (process.memoryUsage().rss / 1e6).toFixed(0);
console.log(
  `${texts} hostile texts: ${thrown} thrown, ${changed} keys with another key, ${memory} MB`,
);
console.log(`slowest ${slowest.toFixed(1)} ms: ${JSON.stringify(text).slice(0, 200)}`);
