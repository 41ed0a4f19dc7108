/** The thread that trains: opens the GPU and the model, then does what the page asks for. */
import { SystemGpu } from "../../beyond/platform/gpu.ts";
import type { Command, News } from "../messages.ts";
import { loadModel } from "../model-files.ts";
import { openEmbedded } from "./model.ts";
import { Session } from "./session.ts";

const tell = (news: News) => postMessage(news);

/** A file beside the page. */
async function load(name: string): Promise<Blob> {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name} could not be loaded (${response.status})`);
  return response.blob();
}

async function open(): Promise<Session> {
  const began = performance.now();
  const [gpu, model] = await Promise.all([SystemGpu.open(), loadModel(load).then(openEmbedded)]);
  const session = new Session(gpu, model, tell);
  const { name: adapter, isSoftware } = gpu;
  const questions = model.questions.map(({ text, gold }) => ({ text, gold }));
  const seconds = (performance.now() - began) / 1000;
  tell({ is: "opened", adapter, isSoftware, seconds, questions });
  return session;
}

const session = open();
session.catch((error: Error) => tell({ is: "failed", message: error.message, isFatal: true }));
self.onmessage = async ({ data }: MessageEvent<Command>) => (await session).do(data);
Object.assign(self, { session }); // for those who look behind the page
