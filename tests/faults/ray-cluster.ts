/** A Ray cluster of two nodes on this machine, and the processes in it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const PYTHON = process.env.RLEXPLORE_PYTHON ?? "python3";

/** Why there can be no cluster, or null. */
export const noRay = (): string | null =>
  spawnSync(PYTHON, ["-c", "import ray, numpy"]).status === 0
    ? null
    : `${PYTHON} has no ray and numpy`;

export class RayCluster {
  private constructor(
    private readonly process: ChildProcess,
    private readonly lines: AsyncIterator<string>,
    readonly address: string,
  ) {}

  /**
   * @param store MiB of each node's object store
   * @param hidden a folder that the second node does not see (root alone can hide one)
   * @param env of all processes in it
   */
  static async start({
    store = 200,
    hidden = null as string | null,
    env = {} as Record<string, string>,
  } = {}): Promise<RayCluster> {
    const script = join(import.meta.dir, "ray-cluster.py");
    const args = [script, String(store), ...(hidden ? [hidden] : [])];
    const child = spawn(PYTHON, args, {
      stdio: ["pipe", "pipe", "pipe"],
      // on a machine that is busy with much else workers that are nice to others hardly run
      env: {
        ...process.env,
        RAY_USAGE_STATS_ENABLED: "0",
        RAY_worker_niceness: "0",
        ...env,
      },
    });
    let said = "";
    child.stderr?.on("data", (text) => {
      said = (said + text).slice(-2000);
    });
    const lines = linesOf(child.stdout as AsyncIterable<Buffer>);
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`no cluster of Ray could be started: ${said}`);
      if (/^[\d.]+:\d+$/.test(value)) return new RayCluster(child, lines, value);
    }
  }

  /** Has the cluster do something, and waits until it is done. */
  async do(command: "node" | "fill" | "empty"): Promise<void> {
    this.process.stdin?.write(`${command}\n`);
    for (;;) {
      const { value, done } = await this.lines.next();
      if (done) throw new Error(`the cluster ended at ${command}`);
      if (value === "done") return;
    }
  }

  /** Process ids of the workers. */
  workers(): number[] {
    return this.below(([...words]) => words.at(-1) === "worker");
  }

  /** That of the second node, if it is there. */
  secondNode(): number[] {
    return this.below(([program = ""]) => program.endsWith("/raylet"))
      .sort((a, b) => a - b)
      .slice(1, 2);
  }

  private below(is: (words: string[]) => boolean): number[] {
    return descendants(this.process.pid as number, is);
  }

  async stop(): Promise<void> {
    const ended = new Promise((done) => this.process.on("exit", done));
    this.process.stdin?.end();
    await ended;
  }
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const piece of stream) {
    const lines = (rest + piece.toString()).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  return undefined;
}

/** Processes below one, by what they were started with (Linux). */
export function descendants(ancestor: number, is: (words: string[]) => boolean): number[] {
  const parents = new Map<number, number>();
  const words = new Map<number, string[]>();
  for (const name of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const [, parent] = /\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, "utf8")) ?? [];
      parents.set(Number(name), Number(parent));
      words.set(
        Number(name),
        readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0").slice(0, -1),
      );
    } catch {
      // it ended meanwhile
    }
  }
  const isBelow = (id: number): boolean => {
    const parent = parents.get(id);
    return parent !== undefined && (parent === ancestor || isBelow(parent));
  };
  return [...words.keys()].filter((id) => is(words.get(id) ?? []) && isBelow(id));
}
