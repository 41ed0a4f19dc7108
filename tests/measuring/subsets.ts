/** Every choice of k of the items. */
function* subsets<T>(items: readonly T[], k: number, from = 0): Generator<T[]> {
  if (k === 0) yield [];
  else {
    for (let i = from; i + k <= items.length; i++) {
      for (const rest of subsets(items, k - 1, i + 1)) yield [items[i], ...rest];
    }
  }
}

/** What an unbiased estimator must equal: the mean over every choice of k of the items. */
export function meanOverSubsets<T>(items: readonly T[], k: number, value: (chosen: T[]) => number) {
  let sum = 0;
  let count = 0;
  for (const chosen of subsets(items, k)) {
    sum += value(chosen);
    count++;
  }
  return sum / count;
}
