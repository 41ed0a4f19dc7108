/** A page can be closed. */
export const watched = <T>(_what: string, work: () => T): T => work();
