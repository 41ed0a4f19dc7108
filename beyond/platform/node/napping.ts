const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * Awaits work of the GPU. Dawn asks its driver anew in every turn of the event loop, which keeps a
 * core busy that a software adapter could compute on: a nap in each turn, short beside the wait so
 * far, leaves it the core.
 */
export async function napping<T>(work: Promise<T>): Promise<T> {
  let isPending = true;
  const settle = () => {
    isPending = false;
  };
  work.then(settle, settle);
  const start = performance.now();
  while (isPending) {
    await new Promise(setImmediate);
    const waited = performance.now() - start;
    if (isPending && waited > 0.1) Atomics.wait(sleeper, 0, 0, Math.min(1, waited / 16));
  }
  return work;
}
