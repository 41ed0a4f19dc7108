/** One measured number; `share` is of the adapter's ceiling, from 0 to 1. */
export interface Figure {
  name: string;
  value: number;
  unit: string;
  share?: number;
}

export interface Section {
  title: string;
  figures: Figure[];
}

/** Printed as soon as it is known: a section takes its time. */
export function printSection({ title, figures }: Section): void {
  console.log(`\n${title}`);
  const width = Math.max(...figures.map(({ name }) => name.length)) + 2;
  for (const { name, value, unit, share } of figures) {
    const number = Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(3);
    const part = share === undefined ? "" : `  ${(100 * share).toFixed(0)} % of the ceiling`;
    console.log(`  ${name.padEnd(width)}${number.padStart(8)} ${unit}${part}`);
  }
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle) - 1 + (sorted.length % 2)]) / 2;
};
