import { join } from "node:path";

/**
 * A Python that can import `modules`: the one RLEXPLORE_PYTHON names, else the first on the PATH.
 * Null where there is none.
 */
export async function findPython(...modules: string[]): Promise<string | null> {
  const { RLEXPLORE_PYTHON } = process.env;
  const code = `import ${modules.join(", ")}`;
  for (const python of RLEXPLORE_PYTHON ? [RLEXPLORE_PYTHON] : ["python3", "python"]) {
    if (!Bun.which(python)) continue;
    const { exited } = Bun.spawn([python, "-c", code], { stdout: "ignore", stderr: "ignore" });
    if ((await exited) === 0) return python;
  }
  return null;
}

/**
 * A script of this folder that answers each line of JSON with another: `{"error": ...}` where it failed.
 * It ends when its standard input does, so that none outlives the bench.
 */
export class PythonPeer {
  private readonly child;
  private readonly lines: AsyncGenerator<string>;

  constructor(python: string, script: string, args: string[] = []) {
    this.child = Bun.spawn([python, join(import.meta.dir, script), ...args], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.lines = readLines(this.child.stdout);
  }

  /** @throws Error with the peer's own message if it could not */
  async ask<Answer>(request: object): Promise<Answer> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    this.child.stdin.flush();
    const { value, done } = await this.lines.next();
    if (done) throw new Error("the Python peer ended early");
    const answer = JSON.parse(value);
    if (answer.error) throw new Error(answer.error);
    return answer;
  }

  async close(): Promise<void> {
    this.child.stdin.end();
    await this.child.exited;
  }
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
