/** A mean with the 95 % interval around it, where one can be told. */
export interface Interval {
  mean: number;
  low?: number;
  high?: number;
}

export const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom. */
const T975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131, 2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048,
  2.045, 2.042,
];

/** The mean of a few seeds with its 95 % interval by Student's t; null for a single seed. */
export function seedInterval(values: readonly number[]): Required<Interval> | null {
  const n = values.length;
  if (n < 2) return null;
  const centre = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (n - 1);
  const half = (T975[n - 2] ?? 1.96) * Math.sqrt(variance / n);
  return { mean: centre, low: centre - half, high: centre + half };
}

/** The mean over seeds at each x, with their range where there are several. */
export function overSeeds(lines: readonly (readonly { x: number; y: number }[])[]) {
  const at = new Map<number, number[]>();
  for (const line of lines) {
    for (const { x, y } of line) at.set(x, [...(at.get(x) ?? []), y]);
  }
  // a line that ends early would make the mean jump: it goes on as long as all do
  return [...at]
    .filter(([, ys]) => ys.length === lines.length)
    .sort(([a], [b]) => a - b)
    .map(([x, ys]) => ({
      x,
      y: mean(ys),
      ...(ys.length > 1 && { low: Math.min(...ys), high: Math.max(...ys) }),
    }));
}
