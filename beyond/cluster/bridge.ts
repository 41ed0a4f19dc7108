import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import program from "./bridge.py" with { type: "text" };
import { decodeFrames, encodeFrame, type Frame, type Header } from "./frames.ts";

/** A worker is gone: its process, its actor or its node. */
export class LostError extends Error {
  override name = "LostError";
}

/** The cluster is gone, or does not do what it is for. */
export class ClusterError extends UserError {
  constructor(readonly what: string) {
    super(`${what}; a run goes on from its last checkpoint with --resume`);
  }
}

type Waiting = { resolve: (frame: Frame) => void; reject: (error: Error) => void };

/** The way to a cluster. */
export type Bridging = Pick<Bridge, "request" | "close">;

/** The process that stands between this one and Ray. */
export class Bridge {
  private readonly waiting = new Map<number, Waiting>();
  private requests = 0;
  private writing: Promise<void> = Promise.resolve();
  private ended: Error | undefined;

  private constructor(
    private readonly process: ChildProcess,
    private readonly folder: string,
  ) {
    void this.listen();
  }

  /**
   * Starts the bridge with the first Python that has Ray: RLEXPLORE_PYTHON, python3, python.
   * @throws UserError where there is none, with the command that installs it
   */
  static open(): Bridge {
    const python = findPython();
    const folder = mkdtempSync(join(tmpdir(), "rlexplore-bridge-"));
    const file = join(folder, "bridge.py");
    writeFileSync(file, program);
    // of a cluster that is begun here: else Ray's workers let everything else go first
    const own = { RAY_USAGE_STATS_ENABLED: "0", RAY_worker_niceness: "0" };
    const env = { ...own, ...process.env, PYTHONUNBUFFERED: "1" };
    const child = spawn(python, [file], {
      // what Ray says of itself is for its logs; a bridge that fails says why in its last lines
      stdio: ["pipe", "pipe", "pipe"],
      env,
      // Ctrl-C is for this process, which finishes the step with it
      detached: true,
    });
    return new Bridge(child, folder);
  }

  /** @throws LostError where the worker that it is for is gone; ClusterError where it is the cluster or the bridge */
  async request(op: string, header: Header, pieces: readonly Uint8Array[] = []): Promise<Frame> {
    if (this.ended) throw this.ended;
    const id = ++this.requests;
    const answer = new Promise<Frame>((resolve, reject) =>
      this.waiting.set(id, { resolve, reject }),
    );
    const frame = encodeFrame({ ...header, op, id }, pieces);
    // a frame is written whole before the next one
    this.writing = this.writing.then(() => this.write(frame)).catch(() => {});
    const { header: reply, bytes } = await answer;
    if (reply.lost) throw new LostError(String(reply.lost));
    if (reply.failed) throw new ClusterError(`Ray: ${reply.failed}`);
    return { header: reply, bytes };
  }

  close(): void {
    this.ended ??= new Error("the bridge to Ray was closed");
    this.process.stdin?.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async write(pieces: readonly Uint8Array[]): Promise<void> {
    const { stdin } = this.process;
    for (const piece of pieces) {
      await new Promise<void>((done, failed) =>
        stdin?.write(piece, (error) => (error ? failed(error) : done())),
      );
    }
  }

  private async listen(): Promise<void> {
    const { stdout, stderr } = this.process;
    const said: string[] = [];
    stderr?.on("data", (text) => {
      said.push(String(text));
      if (said.length > 20) said.shift();
    });
    let why: string | undefined;
    try {
      if (stdout) {
        for await (const frame of decodeFrames(stdout)) {
          const id = Number(frame.header.id);
          this.waiting.get(id)?.resolve(frame);
          this.waiting.delete(id);
        }
      }
    } catch (error) {
      why = (error as Error).message;
    }
    this.ended ??= new ClusterError(
      `the bridge to Ray ended: ${why ?? (await this.lastWords(said))}`,
    );
    for (const { reject } of this.waiting.values()) reject(this.ended);
    this.waiting.clear();
  }

  /** Why the process ended: what it was killed by, or what it said last. */
  private async lastWords(said: readonly string[]): Promise<string> {
    const { process } = this;
    if (process.exitCode === null && process.signalCode === null) await once(process, "exit");
    if (process.signalCode) return `it was killed (${process.signalCode})`;
    return said.join("").trim().split("\n").at(-1) ?? "";
  }
}

function findPython(): string {
  const named = process.env.RLEXPLORE_PYTHON;
  const tried = named ? [named] : ["python3", "python"];
  for (const python of tried) {
    const { status } = spawnSync(python, ["-c", "import ray, numpy"], { stdio: "ignore" });
    if (status === 0) return python;
  }
  throw new UserError(
    `--ray needs a Python with Ray: ${tried[0]} -m pip install "ray>=2.40" numpy (RLEXPLORE_PYTHON names another Python; tried ${tried.join(" and ")})`,
  );
}
