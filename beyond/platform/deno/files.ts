import { closeSync, openSync, readSync, statSync } from "node:fs";

/** Bytes of a piece of a stream. */
const PIECE = 1 << 20;
/** Bytes that are read with one call: systems read no more than 2 GiB. */
const READ = 1 << 30;

export const fileBlob = (path: string): Blob => new FileBlob(path, 0, statSync(path).size);

/** A range of a file, which is read when it is asked for. */
class FileBlob extends Blob {
  constructor(
    private readonly path: string,
    private readonly start: number,
    private readonly end: number,
  ) {
    super();
  }

  override get size(): number {
    return this.end - this.start;
  }

  override slice(from = 0, to = this.size): Blob {
    const inside = (at: number) => Math.min(Math.max(at < 0 ? this.size + at : at, 0), this.size);
    const start = this.start + inside(from);
    return new FileBlob(this.path, start, Math.max(start, this.start + inside(to)));
  }

  override async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.read(this.start, this.end);
  }

  override async arrayBuffer(): Promise<ArrayBuffer> {
    return this.read(this.start, this.end).buffer;
  }

  override async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }

  override async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  override stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    let at = this.start;
    return new ReadableStream({
      pull: (controller) => {
        if (at === this.end) return controller.close();
        const to = Math.min(this.end, at + PIECE);
        controller.enqueue(this.read(at, to));
        at = to;
      },
    });
  }

  private read(from: number, to: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(to - from);
    const file = openSync(this.path, "r");
    try {
      let done = 0;
      while (done < bytes.length) {
        const most = Math.min(bytes.length - done, READ);
        const count = readSync(file, bytes, done, most, from + done);
        if (count === 0) throw new Error(`${this.path} has become shorter`);
        done += count;
      }
    } catch (error) {
      throw Object.assign(error as Error, { path: this.path }); // Deno does not say it
    } finally {
      closeSync(file);
    }
    return bytes;
  }
}
