/** A histogram of lengths as lines of text, with bars as long as a terminal allows. */

/** Bars at most, and columns of the longest. */
const MOST_BARS = 12;
const LONGEST_BAR = 50;

export interface Summary {
  median: number;
  /** 95 of 100 are no longer. */
  most: number;
  longest: number;
}

export function summarise(lengths: readonly number[]): Summary {
  const sorted = lengths.toSorted((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { median: at(0.5), most: at(0.95), longest: at(1) };
}

/** Lines such as `  50-99  ████████ 1204`, the last for all that is longer than nearly all are. */
export function histogram(lengths: readonly number[], columns: number): string[] {
  const sorted = lengths.toSorted((a, b) => a - b);
  const [least, longest] = [sorted[0], sorted[sorted.length - 1]];
  const most = sorted[Math.floor(0.99 * (sorted.length - 1))];
  const step = niceStep((most - least + 1) / (MOST_BARS - 2));
  const first = Math.floor(least / step);
  const last = Math.min(Math.floor(most / step) + 1, Math.floor(longest / step));
  const counts = new Array<number>(last - first + 1).fill(0);
  for (const length of lengths) counts[Math.min(last, Math.floor(length / step)) - first]++;
  const labels = counts.map((_, i) => {
    const [from, to] = [(first + i) * step, (first + i + 1) * step - 1];
    if (longest >= to + step && first + i === last) return `${from} and more`;
    const end = first + i === last ? Math.max(to, longest) : to;
    return from === end ? `${from}` : `${from}-${end}`;
  });
  const width = (texts: string[]) => Math.max(...texts.map((text) => text.length));
  const numbers = counts.map((count) => count.toLocaleString("en"));
  const room = columns - width(labels) - width(numbers) - 8;
  const unit = Math.max(8, Math.min(LONGEST_BAR, room)) / Math.max(...counts);
  return labels.map((label, i) => {
    const bar = barOf(unit * counts[i]);
    return `    ${label.padStart(width(labels))}  ${bar}${bar && " "}${numbers[i]}`;
  });
}

/** A bar to an eighth of a column; what is there at all can be seen. */
function barOf(length: number): string {
  const eighths = length > 0 ? Math.max(1, Math.round(8 * length)) : 0;
  return "█".repeat(eighths >> 3) + ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths & 7];
}

/** The least of 1, 2, 5, 10, 20, 50, ... that is no smaller. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= least) ?? 10 * power;
}
