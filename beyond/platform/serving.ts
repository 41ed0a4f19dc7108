import { serveLocally } from "#platform/server.ts";
import { UserError } from "../../lib/errors.ts";
import type { Answer, Server } from "./runtime.ts";

/**
 * Answers HTTP requests on 127.0.0.1.
 * @param fix what to do about a port that is taken
 * @throws UserError when it is
 */
export function serveAt(
  port: number,
  answer: Answer,
  fix = "choose another --port, or leave it out",
): Server {
  try {
    return serveLocally(port, answer);
  } catch (error) {
    if ((error as { code?: string }).code !== "EADDRINUSE") throw error;
    throw new UserError(`port ${port} is in use; ${fix}`);
  }
}

/** Goes on until the signal, and ends the server then. */
export async function untilAborted(server: Server, signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  await server.stop();
}
