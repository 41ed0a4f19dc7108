/** The thread that looks on while something is read, and ends the program if that takes too much. */
import { writeSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { endProcess } from "./libc.ts";

export interface Watch {
  /** The number of what is read, 0 for nothing; the length of its name; its name. Two words of 32 bits, and bytes. */
  shared: SharedArrayBuffer;
  /** Of the processor, so that a program which was stopped or a busy machine is not blamed. */
  seconds: number;
  /** By which the program's memory may grow. */
  bytes: number;
}

const STDERR = 2;
/** Milliseconds between two looks. */
const PAUSE = 25;

const sleeper = new Int32Array(new SharedArrayBuffer(4));
const sleep = () => Atomics.wait(sleeper, 0, 0, PAUSE);

const seconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

parentPort?.on("message", ({ shared, ...limits }: Watch) => {
  const words = new Int32Array(shared, 0, 2);
  for (;;) {
    // sleeps while nothing is read
    Atomics.wait(words, 0, 0);
    const read = Atomics.load(words, 0);
    // it was over before this thread woke
    if (read === 0) continue;
    const before = { bytes: process.memoryUsage.rss(), seconds: seconds() };
    for (sleep(); Atomics.load(words, 0) === read; sleep()) {
      if (process.memoryUsage.rss() - before.bytes > limits.bytes) {
        giveUp(shared, `${limits.bytes / 2 ** 30} GiB of memory`);
      }
      if (seconds() - before.seconds > limits.seconds) giveUp(shared, `${limits.seconds} s`);
    }
  }
});

function giveUp(shared: SharedArrayBuffer, much: string): void {
  const [, length] = new Int32Array(shared, 0, 2);
  const name = new TextDecoder().decode(new Uint8Array(shared, 8, length).slice());
  writeSync(
    STDERR,
    `rlexplore: ${name} took more than ${much} to read and was given up; it is damaged or hostile: get it again, or another one\n`,
  );
  endProcess(2);
}
