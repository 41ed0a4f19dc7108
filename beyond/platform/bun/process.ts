export const runtime = { name: "bun", version: Bun.version, starter: "bun" };

/** Bun asks for none. */
export const missingPermission = (_error: unknown): string | null => null;

export function onOutputError(failed: (code: string) => void): void {
  process.stdout.on("error", ({ code = "" }: NodeJS.ErrnoException) => failed(code));
}
