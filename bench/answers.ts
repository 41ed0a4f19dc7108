// How fast answers are judged, by the time the processor spends, so that a busy machine does not matter:
//   node scripts/bun.js bench/answers.ts
// what share of the steps of a run was judging:
//   node scripts/bun.js bench/answers.ts run runs/arithmetic-1
// and a long fuzz of what judges them:
//   node scripts/bun.js bench/answers.ts fuzz [texts, a million by default] [seed]
import { Database } from "bun:sqlite";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findStated } from "../beyond/answers/extract.ts";
import { mathKey } from "../beyond/answers/math/canonical.ts";
import { openJudge } from "../beyond/answers/outcome.ts";
import { settle } from "../beyond/answers/settle.ts";
import { Random } from "../lib/random.ts";
import { readPairs } from "../scripts/answers.ts";
import { hostileAnswer, polynomial, processorMs } from "../tests/answers/pairs.ts";

const golds = (await readPairs()).map(({ gold }) => gold);
const [mode, ...args] = process.argv.slice(2);
if (mode === "fuzz") fuzz(Number(args[0] ?? 1e6), Number(args[1] ?? 1));
else if (mode === "run") await judgeAgain(args[0]);
else await measure(new Random(1));

async function measure(random: Random): Promise<void> {
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

  // a step of 16 questions, 64 completions each; every third answer was never seen before
  const math = await openJudge("math");
  const step = async (name: string, answer: (i: number) => string) => {
    const completions = Array.from({ length: 1024 }, (_, i) => ({
      text: `${"Let us think. ".repeat(100)}\\boxed{${answer(i)}}`,
      truncated: false,
    }));
    const [began, wall] = [processorMs(), performance.now()];
    for (let q = 0; q < 16; q++) {
      const row = { question: `q${q}`, answer: "\\frac{1}{2}", line: q };
      await math.judge(completions.slice(64 * q, 64 * q + 64), { row, gold: "1/2" });
    }
    const [ms, waited] = [processorMs() - began, performance.now() - wall];
    console.log(`1,024 completions, ${name}: ${ms.toFixed(0)} ms (${waited.toFixed(0)} ms passed)`);
  };
  const plain = (i: number) => `${i % 37}`;
  const mixed = (i: number) => (i % 3 === 0 ? polynomial(random)[1] : random.pick(golds));
  await step("plain numbers", plain);
  await step("LaTeX, the first time", mixed);
  for (const name of ["LaTeX", "LaTeX, a step later"]) await step(name, mixed);
}

function rate(name: string, answers: string[]): void {
  const began = processorMs();
  for (const answer of answers) mathKey(answer);
  const seconds = (processorMs() - began) / 1000;
  console.log(`${name}: ${Math.round(answers.length / seconds).toLocaleString("en")} a second`);
}

/** Judges the completions of a run once more, a step at a time, and compares that with the step. */
async function judgeAgain(run: string): Promise<void> {
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trim().split("\n");
  const seconds = new Map(lines.map((line) => JSON.parse(line)).map((m) => [m.step, m.seconds]));
  const rows = new Database(join(run, "ledger.sqlite"), { readonly: true })
    .query(
      "SELECT step, slot, text question, completion text, truncated FROM rollouts JOIN questions ON questions.id = question ORDER BY 1, 2, sample",
    )
    .all() as { step: number; slot: number; question: string; text: string; truncated: number }[];
  for (const kind of ["number", "math"]) {
    const outcome = await openJudge(kind);
    for (const [step, group] of Map.groupBy(rows, (row) => row.step)) {
      const began = performance.now();
      for (const [, slot] of Map.groupBy(group, (row) => row.slot)) {
        const row = { question: slot[0].question, answer: "7", line: 1 };
        const completions = slot.map((one) => ({ text: one.text, truncated: one.truncated === 1 }));
        await outcome.judge(completions, { row, gold: "7" });
      }
      const ms = performance.now() - began;
      const share = ms / 10 / (seconds.get(step) ?? Number.NaN);
      console.log(
        `${kind}, step ${step}: ${group.length} completions in ${ms.toFixed(1)} ms, ${share.toFixed(2)} % of the step`,
      );
    }
  }
}

/** Finds, settles and keys hostile texts; tells what throws, takes long, or has a key with another key. */
function fuzz(texts: number, seed: number): void {
  const random = new Random(seed);
  const found = { thrown: 0, changed: 0, slowest: 0, text: "" };
  const known = golds.map(mathKey).filter((key) => key !== null);
  for (let i = 0; i < texts; i++) {
    const answer = hostileAnswer(random, golds);
    const began = processorMs();
    try {
      const text = findStated(`\\boxed{${answer}}`)?.text ?? answer;
      const some = Array.from({ length: 4 }, () => random.pick(known));
      const task = {
        answers: [text],
        known: [mathKey(random.pick(golds)) ?? "1", ...some],
        unit: null,
      };
      settle({ kind: "math", ...task });
      const key = mathKey(text);
      if (key !== null && mathKey(key) !== key) {
        if (found.changed++ < 10) console.log(`not its own key: ${JSON.stringify(text)}: ${key}`);
      }
    } catch (error) {
      if (found.thrown++ < 10) console.log(`thrown: ${JSON.stringify(answer)}: ${error}`);
    }
    const ms = processorMs() - began;
    if (ms > found.slowest) Object.assign(found, { slowest: ms, text: answer });
    if ((i + 1) % 100_000 === 0) console.log(`${i + 1} texts, ${megabytes()} MB`);
  }
  const { thrown, changed, slowest, text } = found;
  console.log(`${texts} texts: ${thrown} thrown, ${changed} keys with another key`);
  console.log(`slowest ${slowest.toFixed(1)} ms: ${JSON.stringify(text).slice(0, 200)}`);
}

function megabytes(): string {
  return (process.memoryUsage().rss / 1e6).toFixed(0);
}
