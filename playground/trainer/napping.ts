/** In the place of beyond/scheduling/napping.ts: a browser wakes the thread by itself when the GPU is done. */
export const napping = <T>(work: Promise<T>): Promise<T> => work;
