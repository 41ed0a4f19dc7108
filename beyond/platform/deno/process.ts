export const runtime = { name: "deno", version: Deno.version.deno, starter: "deno run -A" };

/** Deno says: `Requires read access to "data.jsonl", run again with the --allow-read flag`. */
export function missingPermission(error: unknown): string | null {
  const message = error instanceof Error ? error.message : "";
  const said = /Requires (\w+) access(?: to ("[^"]*"))?.*(--allow-\w+)/s.exec(message);
  if (!said) return null;
  const [, kind, what = "", flag] = said;
  return `Deno was not given the permission ${kind} for ${what}; add ${flag} after deno run (docs/deno.md has the permissions that rlexplore needs)`;
}
