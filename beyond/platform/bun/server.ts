import type { Answer, Server } from "../runtime.ts";

export function serveLocally(port: number, answer: Answer): Server {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port,
    idleTimeout: 0,
    fetch: (request): Response | Promise<Response> => answer(request, server.port as number),
  });
  return { port: server.port as number, stop: () => server.stop(true) };
}
