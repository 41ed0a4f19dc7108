/** Asks the algebra library, in its own thread and for a limited time, whether two answers are equal. */
import type { Value } from "./compare.ts";
import { type MathJson, toMathJson } from "./mathjson.ts";

/** Milliseconds after which two answers count as different. */
const LIMIT = 2000;

/** In the executable all source lies at the root of one bundle. */
const inSource = import.meta.url.endsWith("/checker.ts");
const WORKER = new URL(
  inSource ? "./worker.ts" : "./lib/data/outcome/math/worker.ts",
  import.meta.url,
).href;

let worker: Promise<Worker> | null = null;
let queue: Promise<unknown> = Promise.resolve();

/** True only if the library shows that all parts are equal. */
export function areEqual(a: Value, b: Value): Promise<boolean> {
  const pairs: [MathJson, MathJson][] = [];
  for (const [i, { tree }] of a.parts.entries()) {
    const [x, y] = [toMathJson(tree), toMathJson(b.parts[i].tree)];
    if (x === null || y === null) return Promise.resolve(false);
    pairs.push([x, y]);
  }
  const answer = queue.then(() => ask(pairs));
  queue = answer.catch(() => {});
  return answer;
}

async function ask(pairs: [MathJson, MathJson][]): Promise<boolean> {
  worker ??= start();
  const thread = await worker;
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      thread.terminate();
      worker = null;
      resolve(false);
    }, LIMIT);
    thread.onmessage = ({ data }) => {
      clearTimeout(timer);
      resolve(data as boolean);
    };
    thread.onerror = ({ message }) => {
      clearTimeout(timer);
      worker = null;
      reject(new Error(`comparing answers failed: ${message}`));
    };
    thread.postMessage(pairs);
  });
}

function start(): Promise<Worker> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(WORKER);
    (thread as Worker & { unref?(): void }).unref?.();
    thread.onmessage = () => resolve(thread);
    thread.onerror = ({ message }) => reject(new Error(`the algebra thread failed: ${message}`));
  });
}
