/** A cluster within this process, with the workers' own code and no Ray: for tests of all that lies above. */
import { spyOn } from "bun:test";
import { Bridge, type Bridging, LostError } from "../../beyond/cluster/bridge.ts";
import { decodeFrames, encodeFrame, type Frame, type Header } from "../../beyond/cluster/frames.ts";
import { fromHalves, toHalves } from "../../beyond/cluster/halves.ts";
import { bytesOf } from "../../beyond/cluster/wire.ts";
import { Worker } from "../../beyond/cluster/worker.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What happens to a request: nothing, or its worker dies before or after it has done it, or never answers. */
export type Fate = "well" | "dies before" | "dies after" | "hangs";

export class ClusterHere implements Bridging {
  private readonly workers = new Map<number, Pick<Worker, "answer">>();
  private readonly kept = new Map<string, Bytes>();
  /** Of workers, in the order of their beginnings. */
  private readonly numbers = new Map<unknown, number>();
  private started = 0;
  private sum = new Float32Array(0);
  private readonly hanging = new Map<number, (error: Error) => void>();
  /** What was asked of which worker, and the bytes to it and from it. */
  readonly asked: { worker: number; op: string; to: number; from: number }[] = [];
  nodes: { id: string; gpus: number; isHere: boolean }[];
  closed = false;

  constructor(
    nodes: number,
    private readonly fate: (worker: number, op: string) => Fate = () => "well",
    private readonly make: (worker: number) => Pick<Worker, "answer"> = () => new Worker(),
  ) {
    this.nodes = Array.from({ length: nodes }, (_, i) => ({ id: `n${i}`, gpus: 0, isHere: true }));
  }

  async request(op: string, header: Header, pieces: readonly Uint8Array[] = []): Promise<Frame> {
    if (op === "start") this.numbers.set(header.worker, this.started++);
    const worker = this.numbers.get(header.worker) ?? -1;
    if (op === "nodes") return answered({ nodes: this.nodes });
    if (op === "start") {
      this.workers.set(worker, this.make(worker));
      return answered({ at: {} });
    }
    if (op === "kill") {
      this.workers.delete(worker);
      this.hanging.get(worker)?.(new LostError("it was killed"));
      return answered({});
    }
    if (op === "store") this.kept.set(String(header.into), joined(pieces));
    if (op === "drop") for (const key of header.keys as string[]) this.kept.delete(key);
    if (op === "add") this.add(header as never);
    if (op === "call") return this.call(worker, header, pieces);
    return answered({});
  }

  close(): void {
    this.closed = true;
  }

  private async call(id: number, header: Header, pieces: readonly Uint8Array[]): Promise<Frame> {
    const asked = header.request as Header;
    const op = String(asked.op);
    const noted = { worker: id, op, to: 0, from: 0 };
    this.asked.push(noted);
    const worker = this.workers.get(id);
    const fate = this.fate(id, op);
    if (!worker || fate === "dies before") throw this.lose(id);
    if (fate === "hangs") await new Promise((_, reject) => this.hanging.set(id, reject));
    const given = header.give ? [this.kept.get(String(header.give)) as Bytes] : pieces;
    // through JSON, as in the pipes
    const sent = encodeFrame(asked, given);
    noted.to = lengthOf(sent);
    const [request] = await Array.fromAsync(decodeFrames(streamOf(sent)));
    let reply: Awaited<ReturnType<Worker["answer"]>>;
    try {
      reply = await worker.answer(request);
    } catch (error) {
      reply = [
        {
          error: (error as Error).message,
          kind: (error as Error).name === "UserError" ? "user" : "other",
        },
      ];
    }
    if (fate === "dies after") throw this.lose(id);
    const replied = encodeFrame(...reply);
    noted.from = lengthOf(replied);
    const [frame] = await Array.fromAsync(decodeFrames(streamOf(replied)));
    if (!header.keep) return frame;
    this.kept.set(String(header.keep), frame.bytes);
    return { header: frame.header, bytes: new Uint8Array(0) };
  }

  private lose(id: number): LostError {
    this.workers.delete(id);
    return new LostError("its process died");
  }

  private add({ key, into, isFirst, isLast, exponent, sumExponent }: Adding): void {
    const bytes = this.kept.get(key);
    if (!bytes) throw new LostError(`${key} is not there`);
    this.kept.delete(key);
    const { buffer } = bytes.slice();
    const isHalf = exponent !== undefined;
    const values = isHalf
      ? fromHalves(new Float16Array(buffer), exponent)
      : new Float32Array(buffer);
    if (!isFirst) for (let i = 0; i < values.length; i++) this.sum[i] += values[i];
    else this.sum = values;
    if (!isLast) return;
    this.kept.set(into, bytesOf(isHalf ? toHalves(this.sum, Number(sumExponent)) : this.sum));
  }
}

/** A request of the bridge to add a vector to a sum. */
interface Adding {
  key: string;
  into: string;
  isFirst: boolean;
  isLast: boolean;
  exponent?: number;
  sumExponent?: number;
}

/** Does `work`, for which every cluster is this one. */
export async function within<T>(cluster: ClusterHere, work: () => Promise<T>): Promise<T> {
  const opening = spyOn(Bridge, "open").mockImplementation(() => cluster as unknown as Bridge);
  try {
    return await work();
  } finally {
    opening.mockRestore();
  }
}

const answered = (header: Header): Frame => ({ header, bytes: new Uint8Array(0) });
const lengthOf = (pieces: readonly Uint8Array[]) =>
  pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
const joined = (pieces: readonly Uint8Array[]): Bytes => new Uint8Array(Buffer.concat(pieces));

async function* streamOf(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
