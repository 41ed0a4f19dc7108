/** What tabs of the playground agree about: each run is trained in one of them. */

/** Holds a lock until what it gives is called; null where another tab has it. */
const hold = (name: string): Promise<(() => void) | null> =>
  new Promise((resolve) => {
    void navigator.locks.request(`rlexplore ${name}`, { ifAvailable: true }, (lock) => {
      if (lock) return new Promise<void>((release) => resolve(release));
      resolve(null);
    });
  });

export const holdRun = (id: string) => hold(`run ${id}`);

/** Whether no other tab has the playground open. */
export const isAlone = async (): Promise<boolean> => (await hold("page")) !== null;
