/**
 * Gives up on files of strangers that take without end: chat templates, tokenizers, headers. Reading them is
 * synchronous and done by libraries, so a thread looks on, and ends the whole program when a limit is passed. What is
 * looked at is short and happens while things are opened; nothing is lost that was computed.
 */
import { Worker } from "node:worker_threads";
import type { Watch } from "./watchdog-thread.ts";

/** In the executable all source lies at the root of one bundle. */
const inSource = import.meta.url.endsWith("/watchdog.ts");
const THREAD = new URL(
  inSource ? "./watchdog-thread.ts" : "./beyond/platform/watchdog-thread.ts",
  import.meta.url,
);

/** Bytes of a name that fit; two words stand before it. */
const NAME_BYTES = 512;

/** What one read may take: far beyond every sound file, on a slow machine. */
const LIMITS = { seconds: 15, bytes: 2 ** 30 };

export class Watchdog {
  private words: Int32Array | null = null;
  private name: Uint8Array = new Uint8Array();
  private count = 0;

  constructor(private readonly limits = LIMITS) {}

  /**
   * Runs `work`; if it takes more than the limits, the program ends with exit code 2 and one line.
   * @param what is read, such as "the chat template of m"
   */
  during<T>(what: string, work: () => T): T {
    // elsewhere, as in a page of a browser, there is no such thread, and no program to end
    if (typeof Bun === "undefined") return work();
    this.words ??= this.start();
    // what is read within another read is watched already
    if (this.words[0] !== 0) return work();
    this.words[1] = encoder.encodeInto(what, this.name).written;
    this.count = (this.count % 0x7fffffff) + 1;
    Atomics.store(this.words, 0, this.count);
    Atomics.notify(this.words, 0);
    try {
      return work();
    } finally {
      Atomics.store(this.words, 0, 0);
    }
  }

  private start(): Int32Array {
    const shared = new SharedArrayBuffer(8 + NAME_BYTES);
    this.name = new Uint8Array(shared, 8);
    const thread = new Worker(THREAD);
    // it does not keep the program from ending
    thread.unref();
    thread.postMessage({ shared, ...this.limits } satisfies Watch);
    return new Int32Array(shared, 0, 2);
  }
}

const encoder = new TextEncoder();
const watchdog = new Watchdog();

/** Runs `work`, which reads `what` a stranger made, for as long as that is reasonable. */
export const watched = <T>(what: string, work: () => T): T => watchdog.during(what, work);
