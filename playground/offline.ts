/** The service worker: keeps what was loaded last, and gives it where there is no network. */
import { TEXTS, WEIGHTS } from "./model-files.ts";

const CACHE = "playground";
const PAGE = "./ page.js trainer.js charts.js opener.js style.css sources.json recorded.json".split(
  " ",
);
const FILES = [...PAGE, "sql-wasm-browser.wasm", WEIGHTS, ...TEXTS];

/** What a service worker's events have, as far as it is used here. */
interface WorkerEvent extends Event {
  readonly request: Request;
  waitUntil(work: Promise<unknown>): void;
  respondWith(response: Promise<Response>): void;
}
const worker = self as unknown as {
  addEventListener(event: string, listener: (event: WorkerEvent) => void): void;
  clients: { claim(): Promise<void> };
};

worker.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});

// the page that is open is looked after from now on
worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(location.origin)) return;
  event.respondWith(fresh(request));
});

/** What the host has, which is kept; without it, what was kept. */
async function fresh(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(request);
    if (kept) return kept;
    throw error;
  }
}
