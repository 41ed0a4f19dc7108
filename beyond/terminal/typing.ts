import { createInterface, type Interface } from "node:readline";

/** Lines that somebody types into a terminal, or that come through a pipe, one at a time. */
export class Typing {
  private readonly reader: Interface;
  /** Lines that came before they were asked for, as when several are pasted. */
  private readonly early: string[] = [];
  private waiting: ((line: string | null) => void) | null = null;
  private hasEnded = false;

  /**
   * @param output of a terminal, where typing is shown; null for a pipe
   * @param interrupted is called at Ctrl-C, which reaches no signal handler while a terminal is read key by key
   */
  constructor(
    input: NodeJS.ReadableStream,
    private readonly output: NodeJS.WritableStream | null,
    interrupted: () => void,
  ) {
    const isTerminal = output !== null;
    this.reader = createInterface({ input, output: output ?? undefined, terminal: isTerminal });
    this.reader.setPrompt("> ");
    this.reader.on("line", (line) => this.take(line));
    this.reader.on("close", () => this.take(null));
    this.reader.on("SIGINT", interrupted);
  }

  /** The next line; null at the end (Ctrl-D). */
  next(): Promise<string | null> {
    const line = this.early.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.hasEnded) return Promise.resolve(null);
    if (this.output) this.reader.prompt();
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }

  /** Reads no more. */
  close(): void {
    this.reader.close();
  }

  private take(line: string | null): void {
    if (line === null) this.hasEnded = true;
    const { waiting } = this;
    this.waiting = null;
    if (waiting) waiting(line);
    else if (line !== null) this.early.push(line);
  }
}
