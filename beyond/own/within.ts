/**
 * What is promised, unless it takes too long. Code that never awaits cannot be interrupted.
 * @param what is waited for, for the message
 * @param flag that sets the time, if one does
 */
export function within<T>(
  seconds: number,
  promised: T | Promise<T>,
  what: string,
  flag?: string,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    const error = `no ${what} within ${seconds} s${flag ? ` (${flag})` : ""}`;
    timer = setTimeout(() => reject(error), 1000 * seconds);
  });
  return Promise.race([promised, late]).finally(() => clearTimeout(timer));
}
