import { findOwnAdapter } from "../own-gpu.ts";
import type { FoundAdapter } from "../runtime.ts";

/** Measured in Chromium; between processes it takes longer than within one. */
const LOOK_SECONDS = 2.5e-3;

/** A page has no choice of backends. */
export const findAdapter = (request?: string): Promise<FoundAdapter> =>
  findOwnAdapter(request, LOOK_SECONDS);

/** A browser sleeps while it waits. */
export const awaitGpu = <T>(work: Promise<T>): Promise<T> => work;
