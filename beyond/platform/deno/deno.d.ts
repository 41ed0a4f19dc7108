/** The few things of Deno that are used here. */
declare namespace Deno {
  const version: { deno: string };
  function serve(
    options: { hostname: string; port: number; signal: AbortSignal; onListen: () => void },
    answer: (request: Request) => Response | Promise<Response>,
  ): { readonly addr: { port: number }; readonly finished: Promise<void> };
  function dlopen(
    path: string,
    functions: Record<string, { parameters: string[]; result: string }>,
  ): { symbols: Record<string, (...given: (Uint8Array | number)[]) => number> };
}
