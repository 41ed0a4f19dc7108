export const runtime = { name: "deno", version: Deno.version.deno, starter: "deno run -A" };

/** Deno says: `Requires read access to "data.jsonl", run again with the --allow-read flag`. */
export function missingPermission(error: unknown): string | null {
  const message = error instanceof Error ? error.message : "";
  const said = /Requires (\w+) access(?: to ("[^"]*"))?.*(--allow-\w+)/s.exec(message);
  if (!said) return null;
  const [, kind, what = "", flag] = said;
  return `Deno was not given the permission ${kind} for ${what}; add ${flag} after deno run (docs/deno.md has the permissions that rlexplore needs)`;
}

/** What Deno cannot write to a file is thrown where it is written, and told by no event. */
export function onOutputError(failed: (code: string) => void): void {
  const tell = ({ code = "" }: NodeJS.ErrnoException) => failed(code);
  process.stdout.on("error", tell);
  console.log = telling(console.log, tell);
  const write = telling(process.stdout.write.bind(process.stdout), tell);
  process.stdout.write = write as typeof process.stdout.write;
}

type Told = (error: NodeJS.ErrnoException) => void;

/** Writes as `write` does. What it throws is told, to the callback that it was given if there is one. */
function telling<Given extends unknown[], Result>(write: (...given: Given) => Result, tell: Told) {
  return (...given: Given): Result => {
    try {
      return write(...given);
    } catch (error) {
      const last = given.at(-1);
      (typeof last === "function" ? (last as Told) : tell)(error as NodeJS.ErrnoException);
      return undefined as Result;
    }
  };
}
