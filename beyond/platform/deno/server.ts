import type { Answer, Server } from "../runtime.ts";

export function serveLocally(port: number, answer: Answer): Server {
  const end = new AbortController();
  try {
    const server = Deno.serve(
      { hostname: "127.0.0.1", port, signal: end.signal, onListen: () => {} },
      (request) => answer(request, server.addr.port),
    );
    const stop = () => {
      end.abort();
      return server.finished;
    };
    return { port: server.addr.port, stop };
  } catch (error) {
    const isTaken = (error as Error).name === "AddrInUse";
    throw isTaken ? Object.assign(error as Error, { code: "EADDRINUSE" }) : error;
  }
}
