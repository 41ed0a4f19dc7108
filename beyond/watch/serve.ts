import { UserError } from "../../lib/errors.ts";
import type { Server } from "../platform/runtime.ts";
import { serveAt } from "../platform/serving.ts";
import { command } from "../terminal/program.ts";
import { searchOf } from "./completions.ts";
import type { LiveReport } from "./live-report.ts";

const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/** Serves the page, its events and completions on 127.0.0.1, to requests that were meant for it. */
export function serve(port: number, live: LiveReport): Server {
  return serveAt(port, (request, port) => {
    if (!isMeantForUs(request, port)) return refused(hintFor(port), 403);
    if (request.method !== "GET") return refused("only GET is answered", 405);
    return answer(new URL(request.url), live);
  });
}

async function answer({ pathname, searchParams }: URL, live: LiveReport): Promise<Response> {
  switch (pathname) {
    case "/":
      return answered(await live.page(), "text/html; charset=utf-8");
    case "/events":
      // not every runtime sends a stream of texts
      return answered(live.events().pipeThrough(new TextEncoderStream()), "text/event-stream");
    case "/completions":
      try {
        const found = live.completions(Number(searchParams.get("run")), searchOf(searchParams));
        return answered(JSON.stringify(found), "application/json");
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        return refused(error.message, 400);
      }
    default:
      return refused("no such page", 404);
  }
}

/**
 * Whether a request names this server as its host, and comes from no other site: a page elsewhere could
 * point a name of its own at 127.0.0.1 (DNS rebinding) and read what is served here.
 */
function isMeantForUs({ headers }: Request, port: number): boolean {
  const ours = [`127.0.0.1:${port}`, `localhost:${port}`];
  const origin = headers.get("origin");
  const fromUs = origin === null || ours.some((host) => origin === `http://${host}`);
  return ours.includes(headers.get("host") ?? "") && fromUs;
}

/** What to do where a tunnel or a proxy changes the name or the port. */
const hintFor = (port: number) =>
  `This page is shown at http://127.0.0.1:${port}/ and under no other name, so that no other site can read it.
Through a tunnel, forward the same port: ssh -L ${port}:127.0.0.1:${port} <machine>, then open http://127.0.0.1:${port}/
If that port is taken here, choose another one for both sides: ${command`watch`} <run> --port <port>`;

const answered = (body: string | ReadableStream, type: string) =>
  new Response(body, { headers: { ...HEADERS, "content-type": type } });

const refused = (why: string, status: number) =>
  new Response(`${why}\n`, { status, headers: { ...HEADERS, "content-type": "text/plain" } });
