/** Rows that no completion can earn: refused, or left out where bad rows are. */
import type { Row } from "../../lib/data/judge.ts";
import { UserError } from "../../lib/errors.ts";
import { whyUnearnable } from "../answers/earnable.ts";
import { PackedRows } from "../datasets/packed.ts";
import { quoted } from "../terminal/quoted.ts";

interface Asking {
  outcome: string;
  systemPrompt: string | null;
  promptTemplate: string;
}

/** What is wrong with the answer of a row; null where a completion can earn it. */
export const problemOf = async (row: Row, { outcome, systemPrompt, promptTemplate }: Asking) =>
  await whyUnearnable(outcome, row, `${systemPrompt ?? ""}\n${promptTemplate}`);

/** @throws UserError for the first row that cannot be earned */
export async function requireEarnable(
  rows: Iterable<Row>,
  asking: Asking,
  source: string,
): Promise<void> {
  for (const row of rows) {
    const problem = await problemOf(row, asking);
    if (problem === null) continue;
    throw new UserError(
      `${source}:${row.line}: the answer ${quoted(row.answer)} ${problem} (--skip-bad leaves such rows out)`,
    );
  }
}

/** The rows that can be earned; how many were left out is noted. */
export async function earnableRows(
  rows: PackedRows,
  asking: Asking,
  source: string,
  note: (text: string) => void,
): Promise<PackedRows> {
  const kept = new PackedRows();
  let first: string | null = null;
  for (const row of rows) {
    const problem = await problemOf(row, asking);
    if (problem === null) kept.push(row);
    else first ??= `${source}:${row.line}: the answer ${quoted(row.answer)} ${problem}`;
  }
  const left = rows.length - kept.length;
  if (left === 0) return rows;
  if (kept.length === 0) throw new UserError(`${source}: no row can be earned (${first})`);
  note(
    `left out ${left} ${left === 1 ? "row" : "rows"} that cannot be earned; the first: ${first}`,
  );
  return kept;
}
