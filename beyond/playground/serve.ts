import type { Server } from "../platform/runtime.ts";
import { serveAt, untilAborted } from "../platform/serving.ts";
import type { PlaygroundSettings } from "../settings/measuring.ts";
import { playgroundFiles } from "./files.ts";

/** `rlexplore playground`: the page of `npm run playground`, on 127.0.0.1 until the signal. */
export async function playground({ port }: PlaygroundSettings, signal: AbortSignal): Promise<void> {
  const server = serve(port, playgroundFiles());
  console.log(`the playground: open http://127.0.0.1:${server.port}/ (Ctrl-C ends it)`);
  await untilAborted(server, signal);
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  json: "application/json",
};

/** Serves files by their names, `index.html` where none is given, on 127.0.0.1. */
export function serve(port: number, files: ReadonlyMap<string, Blob>): Server {
  return serveAt(port, ({ url }) => {
    const name = new URL(url).pathname.slice(1) || "index.html";
    const file = files.get(name);
    if (!file) return new Response("no such file\n", { status: 404 });
    const type = TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream";
    const headers = { "content-type": type, "cache-control": "no-cache" };
    return new Response(file, { headers });
  });
}
