/** A short run that is killed and goes on, compared with one that nothing happened to. */
import { Database } from "bun:sqlite";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { finish, type Outcome, type Program, QUESTIONS } from "../executable/program.ts";

const STEPS = 4;
const FLAGS =
  `--max-steps ${STEPS} --prompts-per-step 2 --num-generations 4 --max-completion-length 12 --save-steps 2 ` +
  "--eval-file test.jsonl --eval-steps 2 --eval-samples 2 --quiet";

export class ShortRun {
  /** `more` are flags of its beginning; those in `where` are given each time. */
  constructor(
    private readonly program: Program,
    readonly name: string,
    private readonly more: readonly string[] = [],
    private readonly where: () => readonly string[] = () => [],
  ) {
    program.write("train.jsonl", QUESTIONS);
    program.write("test.jsonl", QUESTIONS.slice(0, 3));
  }

  get path(): string {
    return this.program.path(this.name);
  }

  /** Starts it, or goes on with it; within a command, such as strace. */
  start(within: readonly string[] = [], env: Record<string, string> = {}) {
    const args = existsSync(join(this.path, "config.json"))
      ? ["train", "--resume", this.path, "--quiet", ...this.where()]
      : [
          ...["train", "train.jsonl", ...FLAGS.split(" "), ...this.more, ...this.where()],
          ...["--output-dir", this.path],
        ];
    // a run that was killed before it wrote its settings is begun again
    if (args[1] !== "--resume") rmSync(this.path, { recursive: true, force: true });
    return this.program.start(args, { within, env });
  }

  finish(env?: Record<string, string>): Promise<Outcome> {
    return finish(this.start([], env));
  }

  /** What in a finished run must be the same however often it was killed. */
  result(): Record<string, unknown> {
    const last = join(this.path, `checkpoint-${STEPS}`);
    // the model's card names the run
    const files = (readdirSync(last, { recursive: true }) as string[]).filter(
      (name) => /\.\w+$/.test(name) && name !== "README.md",
    );
    const bytes = files.sort().map((name) => [name, Bun.hash(readFileSync(join(last, name)))]);
    const lines = readFileSync(join(this.path, "metrics.jsonl"), "utf8").trim().split("\n");
    return {
      ...Object.fromEntries(bytes),
      checkpoints: readdirSync(this.path)
        .filter((name) => name.startsWith("checkpoint-"))
        .sort(),
      metrics: lines.map((line) => timeless(JSON.parse(line))),
      ledger: this.ledger(),
    };
  }

  private ledger(): unknown {
    const database = new Database(join(this.path, "ledger.sqlite"), { readonly: true });
    try {
      // which checkpoints there ever were: a run that is stopped saves one more
      const tables = database
        .query("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'checkpoints'")
        .values();
      return tables.map(([name]) => [
        name,
        JSON.stringify(database.query(`SELECT * FROM ${name}`).values()),
      ]);
    } finally {
      database.close();
    }
  }
}

/** A line of the metrics without what depends on the clock. */
function timeless(line: Record<string, unknown>): string {
  const entries = Object.entries(line).filter(([name]) => !/seconds/i.test(name));
  return JSON.stringify(Object.fromEntries(entries), (name, value) =>
    /second/i.test(name) ? 0 : value,
  );
}

/** The parts in which a run differs from the one that nothing happened to. */
export function differences(
  found: Record<string, unknown>,
  expected: Record<string, unknown>,
): string[] {
  const names = [...new Set([...Object.keys(expected), ...Object.keys(found)])];
  return names.filter((name) => !Bun.deepEquals(found[name], expected[name]));
}
