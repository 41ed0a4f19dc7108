/** CSV by RFC 4180: cells in quotes may hold separators, line ends and doubled quotes. */
import { type Line, LONGEST } from "./lines.ts";

/** A row of cells at the line where it begins; null for one that is not UTF-8 or has an open quote. */
export interface CsvRow {
  line: number;
  cells: string[] | null;
}

export async function* csvRows(
  lines: AsyncIterable<Line[]>,
  separator: string,
): AsyncGenerator<CsvRow[]> {
  let row: CsvRow | null = null;
  /** The quoted cell that goes on in the next line. */
  let open: string | null = null;
  for await (const some of lines) {
    const rows: CsvRow[] = [];
    for (const { line, text } of some) {
      row ??= { line, cells: [] };
      const content = text?.replace(/\r$/, "");
      if (content === undefined || row.cells === null) row.cells = null;
      else if (open === null && !content.includes('"')) row.cells = content.split(separator);
      else open = readCells(content, separator, row.cells, open === null ? null : `${open}\n`);
      if (open !== null && open.length > LONGEST) row.cells = null;
      if (open !== null && row.cells !== null) continue;
      if (row.cells?.length !== 1 || row.cells[0] !== "") rows.push(row);
      row = null;
      open = null;
    }
    yield rows;
  }
  if (row) yield [{ line: row.line, cells: null }];
}

/**
 * Adds the cells of a line to those of its row. `open` is a quoted cell begun in an earlier line; one that
 * this line does not close is returned.
 */
function readCells(
  text: string,
  separator: string,
  cells: string[],
  open: string | null,
): string | null {
  let at = 0;
  let quoted = open;
  for (;;) {
    if (quoted === null && text[at] === '"') {
      quoted = "";
      at++;
    }
    if (quoted === null) {
      const end = text.indexOf(separator, at);
      cells.push(end < 0 ? text.slice(at) : text.slice(at, end));
      if (end < 0) return null;
      at = end + 1;
      continue;
    }
    const quote = text.indexOf('"', at);
    if (quote < 0) return quoted + text.slice(at);
    quoted += text.slice(at, quote);
    at = quote + 1;
    if (text[at] === '"') {
      quoted += '"';
      at++;
      continue;
    }
    // what follows the closing quote up to the separator belongs to the cell
    const end = text.indexOf(separator, at);
    cells.push(quoted + (end < 0 ? text.slice(at) : text.slice(at, end)));
    quoted = null;
    if (end < 0) return null;
    at = end + 1;
  }
}
