/** What own code prints goes to standard error: standard output is the program's, whose lines a program may read. */
import { AsyncLocalStorage } from "node:async_hooks";
import { Console } from "node:console";

/** Those that write to standard output. */
const PRINTING = "log info debug dir dirxml table group groupCollapsed count timeEnd timeLog";

/** Whether own code runs, also what it awaits and its timers. */
const own = new AsyncLocalStorage<true>();
/** Files that are being loaded: what runs then is not told apart by the storage. */
let loading = 0;
let isSet = false;

/** Calls own code. */
export function asOwn<T>(call: () => T): T {
  redirect();
  return own.run(true, call);
}

/** Loads own code, which nothing else goes on beside. */
export async function asOwnLoading<T>(load: () => Promise<T>): Promise<T> {
  redirect();
  loading++;
  try {
    return await load();
  } finally {
    loading--;
  }
}

function redirect(): void {
  if (isSet) return;
  isSet = true;
  const toError = new Console(process.stderr, process.stderr);
  const methods = console as unknown as Record<string, (...given: unknown[]) => void>;
  const instead = toError as unknown as typeof methods;
  for (const name of PRINTING.split(" ")) {
    const usual = methods[name];
    methods[name] = (...given) =>
      loading > 0 || own.getStore() ? instead[name](...given) : usual.call(console, ...given);
  }
}
