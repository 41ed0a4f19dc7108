import { openLibrary } from "#platform/native.ts";

const STDERR = 2;
const WRITE_ONLY = 1;

function open() {
  if (process.platform === "win32") return null;
  try {
    return openLibrary(process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6", {
      setenv: { args: ["cstring", "cstring", "int"], returns: "int" },
      unsetenv: { args: ["cstring"], returns: "int" },
      open: { args: ["cstring", "int"], returns: "int" },
      close: { args: ["int"], returns: "int" },
      dup: { args: ["int"], returns: "int" },
      dup2: { args: ["int", "int"], returns: "int" },
      _exit: { args: ["int"], returns: "void" },
    });
  } catch {
    return null;
  }
}

let symbols: ReturnType<typeof open> | undefined;
function libc() {
  symbols ??= open();
  return symbols;
}

const text = (value: string) => Buffer.from(`${value}\0`);

/**
 * Runs `work` with environment variables that native libraries see; `process.env` alone does not
 * reach them, since a runtime may keep its own copy. The former values come back afterwards.
 */
export async function withEnvironment<T>(
  variables: Record<string, string>,
  work: () => Promise<T>,
): Promise<T> {
  const c = libc();
  for (const [name, value] of Object.entries(variables)) c?.setenv(text(name), text(value), 1);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(variables)) {
      const before = process.env[name];
      if (before === undefined) c?.unsetenv(text(name));
      else c?.setenv(text(name), text(before), 1);
    }
  }
}

/**
 * Runs `work` with the process's standard error closed to native code: Dawn prints several warnings
 * for each driver it looks at, which tell a user nothing. `RLEXPLORE_GPU_LOG=1` lets them through.
 */
export async function withoutStderr<T>(work: () => Promise<T>): Promise<T> {
  const c = process.env.RLEXPLORE_GPU_LOG ? null : libc();
  if (!c) return work();
  const saved = c.dup(STDERR);
  const nowhere = c.open(text("/dev/null"), WRITE_ONLY);
  if (saved < 0 || nowhere < 0) return work();
  c.dup2(nowhere, STDERR);
  c.close(nowhere);
  try {
    return await work();
  } finally {
    c.dup2(saved, STDERR);
    c.close(saved);
  }
}

/** Ends the program at once, from any thread; with another exit code where there is no such C library. */
export function endProcess(code: number): void {
  libc()?._exit(code);
  process.kill(process.pid, "SIGKILL");
}
