/** The runs that the browser keeps, in IndexedDB. */
import type { Setup } from "../messages.ts";
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
}

const NAME = "rlexplore";
/** The list, and what is behind each line of it. */
const STORES = ["runs", "moments"] as const;

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

/** Does all of `work` in both stores, or nothing of it. */
async function write(work: (runs: IDBObjectStore, moments: IDBObjectStore) => void): Promise<void> {
  const transaction = (await database()).transaction(STORES, "readwrite");
  const done = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
  const [runs, moments] = STORES.map((name) => transaction.objectStore(name));
  try {
    work(runs, moments);
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
export async function keepRun(id: string, moment: Moment): Promise<void> {
  const { training, shown } = moment;
  const sizes = training.sides.flatMap(({ weights, optimizer }) => [weights, optimizer]);
  const texts = shown.sides.flatMap(({ log }) => log.text);
  const entry: RunEntry = {
    id,
    at: Date.now(),
    step: training.sides[1].step,
    setup: training.setup,
    bytes: sizes.reduce((sum, { length }) => sum + length, 0) + texts.join("").length,
  };
  await write((runs, moments) => {
    runs.put(entry, id);
    moments.put(moment, id);
  });
}

/** What a run was when it was kept. */
export async function openRun(id: string): Promise<Moment> {
  const transaction = (await database()).transaction("moments");
  return settled(transaction.objectStore("moments").get(id));
}

export const deleteRun = (id: string): Promise<void> =>
  write((runs, moments) => {
    runs.delete(id);
    moments.delete(id);
  });
