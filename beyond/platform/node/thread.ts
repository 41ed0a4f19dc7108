import { parentPort, Worker } from "node:worker_threads";
import type { Thread } from "../runtime.ts";

/** In the executable all source lies at the root of one bundle. */
const inSource = import.meta.url.endsWith("/thread.ts");
const JUDGE = inSource ? "../../answers/worker.ts" : "./beyond/answers/worker.ts";

type Reply = { result: unknown } | { error: string };

export function startJudge(): Promise<Thread> {
  const worker = new Worker(new URL(JUDGE, import.meta.url));
  let hear: { resolve: (result: unknown) => void; reject: (error: Error) => void };
  const heard = () =>
    new Promise<unknown>((resolve, reject) => {
      hear = { resolve, reject };
    });
  worker.on("message", (reply: Reply) => {
    if ("error" in reply) hear.reject(new Error(reply.error));
    else hear.resolve(reply.result);
  });
  worker.on("error", (error: Error) => hear.reject(error));
  worker.on("exit", () => hear.reject(new Error("the thread has ended")));
  // an idle thread does not keep the program from ending
  const idle = () => worker.unref();
  const thread: Thread = {
    ask(message) {
      worker.ref();
      const answer = heard();
      worker.postMessage(message);
      return answer.finally(idle);
    },
    terminate: () => void worker.terminate(),
  };
  const ready = heard().finally(idle);
  return ready.then(() => thread);
}

// biome-ignore lint/suspicious/noExplicitAny: what the one who asks sends
export function answerWith(answer: (message: any) => unknown): void {
  parentPort?.on("message", (message) => {
    try {
      parentPort?.postMessage({ result: answer(message) });
    } catch (error) {
      parentPort?.postMessage({ error: String(error) });
    }
  });
  parentPort?.postMessage({ result: "ready" });
}
