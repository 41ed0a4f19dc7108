import { findOwnAdapter } from "../own-gpu.ts";
import type { FoundAdapter } from "../runtime.ts";

/** A page has no choice of backends. */
export const findAdapter = (request?: string): Promise<FoundAdapter> => findOwnAdapter(request);

/** A browser sleeps while it waits. */
export const awaitGpu = <T>(work: Promise<T>): Promise<T> => work;
