/** The runs that the browser keeps, in IndexedDB. */
import type { Setup } from "../messages.ts";
import { type Extent, emptyLog, extentOf, joined, type Log, since } from "./log.ts";
import type { Moment } from "./store.ts";

/** A run in the list. */
export interface RunEntry {
  id: string;
  /** When it was kept last, in milliseconds since 1970. */
  at: number;
  step: number;
  setup: Setup;
  /** About. */
  bytes: number;
  /** How far the log of each side is kept, and how many characters that is. */
  extents: Extent[];
  characters: number;
}

const NAME = "rlexplore playground";
/**
 * The list; what is behind each line of it; and the logs, which are in pieces, one for each time that a run was kept:
 * a log that grows is not written again and again.
 */
const STORES = ["runs", "moments", "logs"] as const;

/** All pieces of a run's logs. Their keys are the run's, and how many rows are before them. */
const piecesOf = (id: string) => IDBKeyRange.bound([id], [id, []]);

let opened: Promise<IDBDatabase> | null = null;

/** The end of a request. */
const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

function database(): Promise<IDBDatabase> {
  if (opened) return opened;
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => {
    for (const store of STORES) request.result.createObjectStore(store);
  };
  opened = settled(request);
  // another time it may be there
  opened.catch(() => {
    opened = null;
  });
  return opened;
}

/** Does all of `work` in the stores, or nothing of it. */
async function write(work: (...stores: IDBObjectStore[]) => void | Promise<void>): Promise<void> {
  const transaction = (await database()).transaction(STORES, "readwrite");
  const done = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
  try {
    await work(...STORES.map((name) => transaction.objectStore(name)));
  } catch (error) {
    done.catch(() => {});
    transaction.abort();
    throw error;
  }
  return done;
}

/** The list, newest first. */
export async function listRuns(): Promise<RunEntry[]> {
  const transaction = (await database()).transaction("runs");
  const runs: RunEntry[] = await settled(transaction.objectStore("runs").getAll());
  return runs.sort((a, b) => b.at - a.at);
}

/** Keeps a moment of a run, in the place of an earlier one. @throws DOMException where there is no room */
export async function keepRun(id: string, { training, shown }: Moment): Promise<void> {
  const { setup, sides } = training;
  const { step } = sides[1];
  const logs = shown.sides.map(({ log }) => log);
  const withoutLogs = shown.sides.map((side) => ({ ...side, log: emptyLog() }));
  const files = sides.reduce((sum, one) => sum + one.weights.length + one.optimizer.length, 0);
  await write(async (runs, moments, pieces) => {
    const before: RunEntry | undefined = await settled(runs.get(id));
    const kept = before?.extents ?? [];
    const news = logs.map((log, side) => since(log, kept[side]));
    const rows = kept.reduce((sum, extent) => sum + extent.text, 0);
    const texts = news.flatMap(({ text }) => text).join("");
    const characters = (before?.characters ?? 0) + texts.length;
    const bytes = files + characters;
    const extents = logs.map(extentOf);
    runs.put({ id, at: Date.now(), step, setup, bytes, extents, characters }, id);
    moments.put({ training, shown: { ...shown, sides: withoutLogs } }, id);
    pieces.put(news, [id, rows]);
  });
}

/** What a run was when it was kept. */
export async function openRun(id: string): Promise<Moment> {
  const transaction = (await database()).transaction(STORES);
  const [moment, pieces] = await Promise.all([
    settled<Moment>(transaction.objectStore("moments").get(id)),
    settled<Log[][]>(transaction.objectStore("logs").getAll(piecesOf(id))),
  ]);
  for (const [side, one] of moment.shown.sides.entries()) {
    one.log = joined(pieces.map((logs) => logs[side]));
  }
  return moment;
}

export const deleteRun = (id: string): Promise<void> =>
  write((runs, moments, pieces) => {
    runs.delete(id);
    moments.delete(id);
    pieces.delete(piecesOf(id));
  });
