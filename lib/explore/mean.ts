/** The mean, exact when all values are equal (so that equal rewards give advantages of exactly 0). */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] - values[0];
  return values[0] + sum / values.length;
}
