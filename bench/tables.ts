/** What was measured; null prints as "not measured". */
export type Cell = number | string | null;

/** A line of a table: what it is about, then its cells by column. */
export interface Row {
  name: string;
  [column: string]: Cell;
}

/** A table. Its columns are those of its rows, in the order in which they come up. */
export interface Section {
  title: string;
  rows: Row[];
}

/** Printed as soon as it is known: a section takes its time. */
export function printSection({ title, rows }: Section): void {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const header = columns.map((column) => (column === "name" ? "" : column));
  const lines = [header, ...rows.map((row) => columns.map((column) => show(row[column])))];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  const isText = columns.map((column) => rows.every((row) => typeof row[column] !== "number"));
  console.log(`\n${title}`);
  for (const line of lines) {
    const cells = line.map((cell, i) =>
      isText[i] ? cell.padEnd(widths[i]) : cell.padStart(widths[i]),
    );
    console.log(`  ${cells.join("  ")}`.trimEnd());
  }
}

function show(cell: Cell | undefined): string {
  if (cell === undefined) return "";
  if (cell === null) return "not measured";
  if (typeof cell === "string") return cell;
  if (Math.abs(cell) >= 1000) return cell.toFixed(0);
  return cell !== 0 && Math.abs(cell) < 1e-3 ? cell.toExponential(1) : cell.toPrecision(3);
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle) - 1 + (sorted.length % 2)]) / 2;
};
