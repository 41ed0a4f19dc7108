/** Kills and failures of the disk, at random moments and at chosen system calls; then the run goes on. */
import type { Random } from "../../lib/random.ts";
import { finish, type Program } from "../executable/program.ts";
import { differences, ShortRun } from "./short-run.ts";

/** What came of a trial: nothing to see, or what was wrong. */
export interface Trial {
  what: string;
  /** Whether the fault came about before the run was over. */
  struck: boolean;
  wrong: string | null;
}

export interface Reference {
  program: Program;
  result: Record<string, unknown>;
  /** Seconds that it takes. */
  seconds: number;
}

/** The run that nothing happens to. */
export async function undisturbed(program: Program): Promise<Reference> {
  const run = new ShortRun(program, "undisturbed");
  const first = await run.finish(); // which also unpacks what the program carries
  if (first.code !== 0) throw new Error(first.stderr);
  const again = new ShortRun(program, "again");
  const began = performance.now();
  await again.finish();
  const seconds = (performance.now() - began) / 1000;
  const other = differences(again.result(), run.result());
  if (other.length > 0) throw new Error(`two runs without a fault differ in ${other}`);
  return { program, result: run.result(), seconds };
}

const SIGNALS = ["SIGKILL", "SIGKILL", "SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"] as const;

/** One to three signals at random moments, most of them SIGKILL. */
export async function killed(reference: Reference, random: Random, trial: number): Promise<Trial> {
  const run = new ShortRun(reference.program, `killed-${trial}`);
  const told: string[] = [];
  let struck = false;
  for (let kills = 1 + random.int(3); kills > 0; kills--) {
    const running = run.start();
    const signal = SIGNALS[random.int(SIGNALS.length)];
    const after = (0.05 + 0.9 * random.float()) * reference.seconds;
    const timer = setTimeout(() => running.kill(signal), 1000 * after);
    const { code, stderr } = await finish(running);
    clearTimeout(timer);
    told.push(`${signal} after ${after.toFixed(2)} s`);
    if (code !== 0) struck = true;
    const ended = [0, 130].includes(code) || running.signalCode !== null;
    if (!ended) return { what: told.join(", "), struck, wrong: `exit code ${code}: ${stderr}` };
  }
  return { what: told.join(", "), struck, wrong: await goesOn(run, reference) };
}

/** System calls by which a run writes, and about how often a thread of it makes each; and to what of it. */
const CALLS = Object.entries({
  ...{
    write: 98,
    pwrite64: 88,
    fsync: 22,
    rename: 3,
    mkdir: 4,
    openat: 24,
    unlink: 2,
    ftruncate: 3,
  },
});
const FILES = [
  ...["", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "metrics.jsonl"],
  ...["config.json", "config.json.partial", "metrics.jsonl.partial"],
  ...[2, 4].flatMap((step) => [
    `checkpoint-${step}`,
    `checkpoint-${step}.partial`,
    `checkpoint-${step}.partial/model.safetensors`,
    `checkpoint-${step}.partial/config.json`,
    `checkpoint-${step}.partial/trainer/optimizer.safetensors`,
    `checkpoint-${step}.partial/trainer/trainer_state.json`,
  ]),
];
const ERRORS = ["EIO", "ENOSPC", "EACCES", "EROFS"];

/** A kill at a system call on a file of the run, or an error that such a call gives. */
export async function struckAtCall(
  reference: Reference,
  random: Random,
  trial: number,
  withError: boolean,
): Promise<Trial> {
  const run = new ShortRun(reference.program, `call-${trial}`);
  const [call, times] = CALLS[random.int(CALLS.length)];
  const paths = FILES.flatMap((name) => ["-P", [run.path, name].filter(Boolean).join("/")]);
  const when = 1 + random.int(times);
  const error = ERRORS[random.int(ERRORS.length)];
  const fault = withError ? `error=${error}` : "signal=SIGKILL";
  const strace = ["strace", "-f", "-qq", "-o", run.path.concat(".strace"), ...paths];
  const inject = `${call}:${fault}:when=${when}`;
  const { code, stderr } = await finish(run.start([...strace, "-e", `inject=${inject}`]));
  const struck = code !== 0;
  // an error is told in one line, with exit code 2; SQLite or a sync may also do without the call
  const told = !withError || code === 0 || (code === 2 && /^rlexplore: .*\n$/m.test(stderr));
  if (!told) return { what: inject, struck, wrong: `exit code ${code}: ${stderr}` };
  return { what: inject, struck, wrong: await goesOn(run, reference) };
}

/** What is wrong with a run that was struck, once it went on to its end. */
async function goesOn(run: ShortRun, reference: Reference): Promise<string | null> {
  const { code, stderr } = await run.finish();
  if (code !== 0) return `going on, exit code ${code}: ${stderr}`;
  const other = differences(run.result(), reference.result);
  return other.length > 0 ? `differs in ${other.join(", ")}` : null;
}
