/**
 * Damages sound files at random and reads them. Each input follows from (seed, parser, number), so what is found can
 * be made again. The reading is done by a process of its own, because some of it ends the program.
 */
import { writeSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { Random } from "../../lib/random.ts";
import { emptied, PARSERS, Taken } from "./parsers.ts";

/** Numbers that a file may hold and nothing bears. */
const NUMBERS = [
  "-1",
  "0",
  "1e309",
  "4294967295",
  "9007199254740993",
  "1e-400",
  "-0.5",
  "null",
  '""',
  "[]",
  "{}",
];

/** The file with one damage, or a few. */
function damaged(sound: Uint8Array, random: Random): Uint8Array {
  let bytes = Uint8Array.from(sound);
  const damages = random.chance(0.7) ? 1 : 2 + random.int(3);
  for (let i = 0; i < damages && bytes.length > 0; i++) {
    // headers are where files say how long they are
    const within = random.chance(0.5) ? Math.min(bytes.length, 2048) : bytes.length;
    const at = random.int(within);
    const length = 1 + random.int(Math.min(random.chance(0.5) ? 4 : 64, bytes.length - at));
    const splice = (removed: number, added: Uint8Array) => {
      bytes = Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)]);
    };
    const kind = random.int(7);
    if (kind === 0) bytes[at] ^= 1 << random.int(8);
    else if (kind === 1) bytes[at] = [0, 255, 127, 128, random.int(256)][random.int(5)];
    else if (kind === 2) splice(length, new Uint8Array());
    else if (kind === 3) splice(0, bytes.slice(at, at + length));
    else if (kind === 4) bytes = bytes.subarray(0, at);
    else if (kind === 5) {
      const from = random.int(bytes.length);
      splice(length, bytes.slice(from, from + length));
    } else splice(length, Buffer.from(NUMBERS[random.int(NUMBERS.length)]));
  }
  return bytes;
}

export interface Fuzzed {
  parser: string;
  inputs: number;
  taken: number;
  refused: number;
  /** How many ended the program, in one line and with exit code 2. */
  givenUp: number;
  /** What must not be: by the number of the input. */
  wrong: { input: number; what: string }[];
}

/** Seconds without an answer after which reading is said to hang. */
const PATIENCE = 600;

/** Reads `inputs` damaged files with one parser. */
export async function fuzz(parser: string, seed: number, inputs: number): Promise<Fuzzed> {
  const result: Fuzzed = { parser, inputs, taken: 0, refused: 0, givenUp: 0, wrong: [] };
  for (let next = 0; next < inputs; ) {
    const command = [
      process.execPath,
      import.meta.path,
      parser,
      String(seed),
      String(next),
      String(inputs),
    ];
    const child = Bun.spawn(command, {
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, TMPDIR: folderOf() },
    });
    const stderr = new Response(child.stderr).text();
    let timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE * 1000);
    let text = "";
    for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
      clearTimeout(timer);
      timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE * 1000);
      text += piece;
    }
    clearTimeout(timer);
    const code = await child.exited;
    for (const line of text.split("\n").filter((one) => one.endsWith("}"))) {
      const { input, verdict, what } = JSON.parse(line);
      next = input + 1;
      if (verdict === "taken") result.taken++;
      else if (verdict === "refused") result.refused++;
      else result.wrong.push({ input, what });
    }
    if (code === 0) break;
    const said = await stderr;
    if (code === 2 && /^rlexplore: .* was given up; .*\n$/.test(said)) result.givenUp++;
    else
      result.wrong.push({
        input: next,
        what: `exit code ${code}, ${child.signalCode}: ${said.slice(-300)}`,
      });
    next++;
  }
  return result;
}

const folderOf = () => process.env.TMPDIR ?? "/tmp";

async function readAll(name: string, seed: number, from: number, to: number): Promise<void> {
  const index = PARSERS.findIndex((parser) => parser.name === name);
  const { seeds, read } = PARSERS[index];
  const folder = emptied(join(folderOf(), `rlexplore-fuzz-${process.pid}`));
  const tell = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);
  const sound = await seeds(folder);
  for (const bytes of sound) await read(bytes, emptied(folder)); // a sound file is taken
  for (let input = from; input < to; input++) {
    const random = new Random(seed, index, input);
    const bytes = damaged(sound[random.int(sound.length)], random);
    try {
      await read(bytes, emptied(folder));
      tell({ input, verdict: "taken" });
    } catch (error) {
      const what = String((error as Error)?.stack ?? error).slice(0, 600);
      const verdict = error instanceof Taken || !(error instanceof UserError) ? "wrong" : "refused";
      const long = error instanceof UserError && error.message.length > 1000;
      tell(long ? { input, verdict: "wrong", what: "a long message" } : { input, verdict, what });
    }
  }
  emptied(folder);
}

if (import.meta.main) {
  const [parser, ...numbers] = process.argv.slice(2);
  const [seed, from, to] = numbers.map(Number);
  await readAll(parser, seed, from, to);
}
