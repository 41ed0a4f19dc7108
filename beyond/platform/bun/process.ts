export const runtime = { name: "bun", version: Bun.version, starter: "bun" };

/** Bun asks for none. */
export const missingPermission = (_error: unknown): string | null => null;
