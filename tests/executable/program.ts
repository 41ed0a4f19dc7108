import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "../..");

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Whether the program is the executable, or its source run by Deno. */
export const RUNTIME = process.env.RLEXPLORE_TEST_WITH === "deno" ? "deno" : "bun";

/** The executable alone in an empty folder, on a machine where nothing of it is unpacked yet. */
export class Program {
  private constructor(
    readonly folder: string,
    private readonly program: readonly string[],
  ) {}

  /** Builds it, as `npm run build` does. With RLEXPLORE_TEST_WITH=deno its source takes its place, run by Deno. */
  static async build(runtime: "bun" | "deno" = RUNTIME): Promise<Program> {
    const folder = mkdtempSync(join(tmpdir(), "rlexplore-executable-"));
    for (const name of ["home", "cache"]) mkdirSync(join(folder, name));
    const program = new Program(folder, [join(folder, "rlexplore")]);
    if (runtime === "deno") return program.underDeno();
    const command = ["node", "scripts/bun.js", "scripts/build.ts", `--outfile=${folder}/rlexplore`];
    const build = Bun.spawn(command, { cwd: root, stdout: "pipe", stderr: "inherit" });
    if ((await build.exited) !== 0) throw new Error("the executable could not be built");
    return program;
  }

  /** The program's source, run by Deno in the same folder with these permissions. */
  underDeno(permissions: readonly string[] = ["-A"]): Program {
    const run = [denoPath(), "run", "--no-prompt", ...permissions];
    return new Program(this.folder, [...run, join(root, "main.ts")]);
  }

  get runtime(): "bun" | "deno" {
    return this.program.includes("run") ? "deno" : "bun";
  }

  /** A text that names commands, in which they are called as the executable is. */
  plain(text: string): string {
    return text
      .replaceAll(this.path("rlexplore"), "rlexplore")
      .replace(/deno run -A \S*main\.ts/g, "rlexplore");
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Writes a file of JSON lines, or of any text, and gives its name. */
  write(name: string, content: string | readonly object[]): string {
    const text = typeof content === "string" ? content : content.map(toLine).join("");
    writeFileSync(this.path(name), text);
    return name;
  }

  /** Starts it with these arguments, given one by one or as a text with spaces between. */
  start(
    args: string | readonly string[],
    { env = {}, within = [], input = "" }: StartOptions = {},
  ) {
    const all = typeof args === "string" ? args.split(" ") : args;
    return Bun.spawn([...within, ...this.program, ...all], {
      cwd: this.folder,
      stdin: Buffer.from(input),
      stdout: "pipe",
      stderr: "pipe",
      env: {
        ...process.env,
        HOME: this.path("home"),
        XDG_CACHE_HOME: this.path("cache"),
        RLEXPLORE_DEBUG: "",
        ...env,
      },
    });
  }

  /** Runs it to its end. */
  run(args: string | readonly string[], options?: StartOptions): Promise<Outcome> {
    return finish(this.start(args, options));
  }

  /** Runs it, and fails unless it succeeds; gives what it printed. */
  async succeed(args: string | readonly string[], options?: StartOptions): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options);
    if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`);
    return stdout;
  }

  read(...names: string[]): Buffer {
    return readFileSync(this.path(...names));
  }

  /** The objects of a file of JSON lines. */
  lines(...names: string[]) {
    return parseLines(this.read(...names).toString());
  }

  /** The lines of `metrics.jsonl` that are about a step. */
  steps(run: string) {
    return this.lines(run, "metrics.jsonl").filter(
      ({ reward, loss }) => (reward ?? loss) !== undefined,
    );
  }

  /** Waits until a run that goes on has written the metrics of this step. */
  async reached(run: string, step: number): Promise<void> {
    for (;;) {
      try {
        if (this.steps(run).some((line) => line.step >= step)) return;
      } catch {
        // not there yet, or half written
      }
      await Bun.sleep(2);
    }
  }
}

/** The binary itself: signals would end a script that starts it, and not reach it. */
function denoPath(): string {
  const folder = join(root, "node_modules/@deno");
  const name = process.platform === "win32" ? "deno.exe" : "deno";
  const found = readdirSync(folder).map((system) => join(folder, system, name));
  return found.find((path) => existsSync(path)) ?? name;
}

interface StartOptions {
  env?: Record<string, string>;
  /** A command that is given the executable and its arguments to run. */
  within?: readonly string[];
  /** What comes through its standard input. */
  input?: string;
}

/** Waits for the end of a program. */
export async function finish(running: ReturnType<Program["start"]>): Promise<Outcome> {
  const [stdout, stderr] = await Promise.all([
    new Response(running.stdout).text(),
    new Response(running.stderr).text(),
  ]);
  return { code: await running.exited, stdout, stderr };
}

const toLine = (row: object) => `${JSON.stringify(row)}\n`;

// biome-ignore lint/suspicious/noExplicitAny: what the program wrote, whatever it is
export function parseLines(text: string): any[] {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** Questions the embedded model can read, with their answers. */
export const QUESTIONS = [
  ["10+1-1+1=", "11"],
  ["11+2+1+1=", "15"],
  ["12-1-1-1=", "9"],
  ["13+1+1-2=", "13"],
  ["14-2-1+3=", "14"],
  ["15+1+2+1=", "19"],
].map(([question, answer]) => ({ question, answer }));
