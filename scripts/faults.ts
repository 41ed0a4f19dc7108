// What strikes a run or its files from outside, tried on the executable:
//   npm run faults                                  everything, 20 trials of each kind
//   npm run faults -- --seed 7 --number 100 fuzz    with another seed, more often, one kind alone
//   npm run faults -- --from 8 --number 1 cluster   a trial again, by its number
// Kinds: kills (signals at random moments), calls (kills at system calls that write), errors (of such calls; both need
// strace), fuzz (damaged files, 50 times the number for each parser), hostile (files made to hang a reader), cluster
// (what can die, stop, be damaged or be full in a cluster of two nodes; needs a Python with ray).
// What was struck goes on, and must end as a run that nothing happened to. Each trial follows from the seed, its kind
// and its number; what is wrong is printed, and the exit code is 1. docs/faults.md has the figures.
import { mkdirSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { Random } from "../lib/random.ts";
import { Program } from "../tests/executable/program.ts";
import { ClusterFaults } from "../tests/faults/cluster.ts";
import { fuzz } from "../tests/faults/fuzz.ts";
import { HOSTILE } from "../tests/faults/hostile.ts";
import { killed, struckAtCall, type Trial, undisturbed } from "../tests/faults/kills.ts";
import { PARSERS } from "../tests/faults/parsers.ts";
import { noRay } from "../tests/faults/ray-cluster.ts";

const KINDS = ["hostile", "fuzz", "kills", "calls", "errors", "cluster"];
const INPUTS = 50;

const { values, positionals } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    number: { type: "string", default: "20" },
  },
  allowPositionals: true,
});
const [seed, from, number] = [values.seed, values.from, values.number].map(Number);
const unknown = positionals.find((kind) => !KINDS.includes(kind));
if (unknown || ![seed, from, number].every(Number.isInteger) || number < 1) {
  console.error(
    `faults: kinds are ${KINDS.join(", ")}; --seed, --from and --number take whole numbers`,
  );
  process.exit(2);
}
const asked = (kind: string) => positionals.length === 0 || positionals.includes(kind);

let wrongs = 0;
function tell(line: string, wrong: readonly string[] = []): void {
  console.log(line);
  for (const one of wrong) console.log(`  WRONG ${one}`);
  wrongs += wrong.length;
}

async function hostile(program: Program): Promise<void> {
  const wrong: string[] = [];
  for (const { what, make, message } of HOSTILE) {
    const folder = program.path("hostile");
    mkdirSync(folder, { recursive: true });
    const { code, stderr } = await program.run(make(folder));
    rmSync(folder, { recursive: true });
    const last =
      stderr
        .trim()
        .split("\n")
        .pop()
        ?.replace(/^rlexplore: /, "") ?? "";
    if (code !== 2 || !message.test(last)) wrong.push(`${what}: exit code ${code}, ${last}`);
  }
  tell(
    `hostile: ${HOSTILE.length} files, ${HOSTILE.length - wrong.length} refused or given up`,
    wrong,
  );
}

async function damagedFiles(): Promise<void> {
  for (const { name } of PARSERS) {
    const { inputs, taken, refused, givenUp, wrong } = await fuzz(name, seed, INPUTS * number);
    tell(
      `fuzz: ${name}: ${inputs} inputs, ${taken} taken, ${refused} refused, ${givenUp} given up`,
      wrong.map(({ input, what }) => `input ${input}: ${what}`),
    );
  }
}

async function struck(
  kind: string,
  trial: (random: Random, n: number) => Promise<Trial>,
): Promise<void> {
  const trials: Trial[] = [];
  for (let n = from; n < from + number; n++) {
    const one = await trial(new Random(seed, KINDS.indexOf(kind), n), n);
    console.log(
      `  ${one.what}: ${one.wrong ?? (one.struck ? "as if nothing had happened" : "not struck")}`,
    );
    trials.push(one);
  }
  const wrong = trials.flatMap(({ what, wrong }) => (wrong ? [`${what}: ${wrong}`] : []));
  const hit = trials.filter((one) => one.struck).length;
  tell(
    `${kind}: ${number} runs, ${hit} struck, ${number - wrong.length} as if nothing had happened`,
    wrong,
  );
}

async function inCluster(program: Program): Promise<void> {
  const why = noRay();
  if (why) return tell(`cluster: not tried, ${why}`);
  const faults = await ClusterFaults.open(program);
  try {
    await struck("cluster", (random, n) => faults.struck(random, n));
  } finally {
    await faults.close();
  }
}

if (asked("fuzz")) await damagedFiles();
if (KINDS.some((kind) => kind !== "fuzz" && asked(kind))) {
  const program = await Program.build();
  try {
    if (asked("hostile")) await hostile(program);
    const kinds = ["kills", "calls", "errors"].filter(asked);
    const reference = kinds.length > 0 ? await undisturbed(program) : null;
    if (reference && asked("kills"))
      await struck("kills", (random, n) => killed(reference, random, n));
    for (const kind of ["calls", "errors"].filter(asked)) {
      if (!reference) break;
      if (!Bun.which("strace")) tell(`${kind}: not tried, there is no strace`);
      else await struck(kind, (random, n) => struckAtCall(reference, random, n, kind === "errors"));
    }
    if (asked("cluster")) await inCluster(program);
  } finally {
    program.remove();
  }
}
if (wrongs > 0) process.exitCode = 1;
