/** Questions by what they say, whatever their case and white space: to find equal ones, and to hold some out. */
import { UserError } from "../errors.ts";
import type { Row } from "./rows.ts";

/** Questions that have this in common count as the same. */
export const sameQuestion = (question: string) =>
  question.toLowerCase().replace(/\s+/g, " ").trim();

/**
 * 53 bits of a text, of which two in a million texts are equal by chance once in ten thousand times.
 * Two 32-bit multiplicative hashes (after cyrb53 by bryc, public domain); another seed gives another hash.
 */
export function hashText(text: string, seed = 0): number {
  let [a, b] = [0xdeadbeef ^ seed, 0x41c6ce57 ^ seed];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 2654435761);
    b = Math.imul(b ^ unit, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 4294967296 * (2097151 & b) + (a >>> 0);
}

/**
 * Holds out a share of the different questions, chosen by the seed alone and not by their order: places of the
 * rows on either side. Equal questions are all on one side.
 */
export function holdOut(
  rows: Iterable<Row>,
  fraction: number,
  seed: number,
): { training: Uint32Array; heldOut: Uint32Array } {
  const hashes = Array.from(rows, ({ question }) => hashText(sameQuestion(question), seed));
  const different = Float64Array.from(new Set(hashes)).sort();
  if (different.length < 2) {
    throw new UserError("--eval-fraction needs at least two different questions");
  }
  const wanted = Math.round(fraction * different.length);
  const count = Math.min(Math.max(wanted, 1), different.length - 1);
  const last = different[count - 1];
  const side = (held: boolean) =>
    Uint32Array.from(hashes.keys().filter((i) => hashes[i] <= last === held));
  return { training: side(false), heldOut: side(true) };
}
