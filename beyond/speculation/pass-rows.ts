import type { Allocator } from "../../lib/gpu/memory.ts";
import { logitsStride } from "../../lib/model/head.ts";

/** Guessed tokens that are checked beside few rows. */
const MANY = 64;
const FEW = 16;
/** Bytes that the logits of guessed tokens may take. */
const MOST_BYTES = 32 * 2 ** 20;

/**
 * Tokens of a pass that decodes `rows` rows and checks guesses: as many guessed ones as rows, or more where rows are
 * few, as far as the adapter has use for so many, their logits are small and all logits fit in one tensor.
 * @param checkedTokens see `Variants`
 */
export function passRowsFor(
  rows: number,
  checkedTokens: number,
  vocabSize: number,
  { bindingLimit, bufferLimit }: Pick<Allocator, "bindingLimit" | "bufferLimit">,
): number {
  const bytes = 4 * logitsStride(vocabSize);
  const wanted = Math.max(2 * rows, Math.min(MANY, FEW * rows));
  const small = rows + Math.floor(MOST_BYTES / bytes);
  const fitting = Math.floor(Math.min(bindingLimit, bufferLimit) / bytes);
  return Math.max(rows, Math.min(wanted, checkedTokens, small, fitting));
}
