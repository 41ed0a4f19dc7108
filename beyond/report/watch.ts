import type { Server } from "bun";
import { UserError } from "../../lib/errors.ts";
import type { WatchSettings } from "../settings/measuring.ts";
import type { ReportOptions } from "./material.ts";
import { pageOf, type Section } from "./page.ts";
import { findRuns, ReportedRun } from "./runs.ts";
import { sectionsOf, titleOf } from "./sections.ts";
import { goldAnswers } from "./treasure.ts";

/** Milliseconds between looks at the run, at least. */
const PAUSE = 1000;
/** Drawing takes at most this share of a core, so that the run it watches keeps its processor. */
const SHARE = 0.1;
/** Milliseconds between signs of life to a page that has nothing new. */
const HEARTBEAT = 15_000;

/**
 * `rlexplore watch`: the report of a run, live on 127.0.0.1. Reads only what was written since the last
 * look, draws only while a page is open, and sends a page the sections that changed.
 */
export async function watch(settings: WatchSettings, signal: AbortSignal): Promise<void> {
  const live = new LiveReport(settings);
  await live.open();
  const server = serve(settings.port, live);
  console.log(`watching ${settings.runs.join(", ")}: open ${server.url.href} (Ctrl-C ends it)`);
  while (!signal.aborted) {
    const began = process.cpuUsage();
    await live.update();
    const { user, system } = process.cpuUsage(began);
    const pause = Math.max(PAUSE, (user + system) / 1000 / SHARE);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pause);
      signal.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
    });
  }
  live.close();
  await server.stop(true);
}

/** An open page: what it is sent goes through `controller`. */
interface Page {
  controller: ReadableStreamDefaultController<string>;
  heartbeat: Timer;
}

/** The report as it is now, and the pages that are shown it. */
export class LiveReport {
  private runs: ReportedRun[] = [];
  private sections: Section[] = [];
  private options: ReportOptions = { questions: null, gold: new Map() };
  private readonly pages = new Set<Page>();
  /** Something was read that is not drawn yet. */
  private stale = true;

  constructor(private readonly settings: Pick<WatchSettings, "runs" | "question">) {}

  async open(): Promise<void> {
    await this.readRuns();
    await this.draw();
  }

  /** Reads what is new, and draws and sends it if a page is open. */
  async update(): Promise<void> {
    await this.readRuns();
    if (this.stale && this.pages.size > 0) await this.draw();
  }

  /** The page, with what was read last. */
  async page(): Promise<string> {
    if (this.stale) await this.draw();
    return pageOf(`${titleOf(this.runs)} · rlexplore watch`, this.sections, true);
  }

  /** A stream of server-sent events: every section now, and each again when it changes. */
  events(): ReadableStream<string> {
    let page: Page;
    return new ReadableStream<string>({
      start: (controller) => {
        const heartbeat = setInterval(() => controller.enqueue(": alive\n\n"), HEARTBEAT);
        page = { controller, heartbeat };
        this.pages.add(page);
        for (const section of this.sections) controller.enqueue(eventOf(section));
      },
      cancel: () => this.forget(page),
    });
  }

  close() {
    for (const run of this.runs) run.close();
    for (const page of this.pages) {
      this.forget(page);
      page.controller.close();
    }
  }

  private forget(page: Page) {
    clearInterval(page.heartbeat);
    this.pages.delete(page);
  }

  private async readRuns(): Promise<void> {
    const known = new Map(this.runs.map((run) => [run.path, run]));
    const paths = findRuns(this.settings.runs);
    if (paths.length !== known.size || paths.some((path) => !known.has(path))) {
      this.runs = paths.map((path) => known.get(path) ?? new ReportedRun(path));
      for (const [path, run] of known) if (!paths.includes(path)) run.close();
      const questions = this.settings.question.length > 0 ? this.settings.question : null;
      this.options = { questions, gold: await goldAnswers(this.runs) };
      this.stale = true;
    }
    for (const run of this.runs) {
      if (run.refresh()) this.stale = true;
    }
  }

  private async draw(): Promise<void> {
    this.stale = false;
    const before = new Map(this.sections.map(({ id, html }) => [id, html]));
    this.sections = await sectionsOf(this.runs, this.options);
    for (const section of this.sections) {
      if (before.get(section.id) === section.html) continue;
      for (const { controller } of this.pages) controller.enqueue(eventOf(section));
    }
  }
}

const eventOf = (section: Section) => `event: section\ndata: ${JSON.stringify(section)}\n\n`;

const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/** Serves the page and its events on 127.0.0.1, to requests that were meant for it. */
export function serve(port: number, live: LiveReport): Server<undefined> {
  try {
    return Bun.serve({
      hostname: "127.0.0.1",
      port,
      async fetch(request, server) {
        if (!isMeantForUs(request, server.port)) return refused("not from here", 403);
        if (request.method !== "GET") return refused("only GET is answered", 405);
        const { pathname } = new URL(request.url);
        if (pathname === "/") {
          const headers = { ...HEADERS, "content-type": "text/html; charset=utf-8" };
          return new Response(await live.page(), { headers });
        }
        if (pathname === "/events") {
          server.timeout(request, 0);
          const headers = { ...HEADERS, "content-type": "text/event-stream" };
          return new Response(live.events(), { headers });
        }
        return refused("no such page", 404);
      },
    });
  } catch (error) {
    if ((error as { code?: string }).code !== "EADDRINUSE") throw error;
    throw new UserError(`port ${port} is in use; choose another --port, or leave it out`);
  }
}

/**
 * Whether a request names this server as its host, and comes from no other site: a page elsewhere could
 * point a name of its own at 127.0.0.1 (DNS rebinding) and read what is served here.
 */
function isMeantForUs({ headers }: Request, port: number | undefined): boolean {
  const ours = [`127.0.0.1:${port}`, `localhost:${port}`];
  const origin = headers.get("origin");
  const fromUs = origin === null || ours.some((host) => origin === `http://${host}`);
  return ours.includes(headers.get("host") ?? "") && fromUs;
}

const refused = (why: string, status: number) =>
  new Response(`${why}\n`, { status, headers: { ...HEADERS, "content-type": "text/plain" } });
