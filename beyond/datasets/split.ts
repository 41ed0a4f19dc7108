/** Questions by what they say, whatever their case and white space: to find equal ones, and to hold some out. */
import { UserError } from "../../lib/errors.ts";

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

/** The hash that questions have in common which count as the same. */
export const questionHash = (question: string) => hashText(sameQuestion(question));

/**
 * Holds out a share of the different questions, chosen by the seed alone and not by their order: places of the
 * rows on either side. Equal questions are all on one side.
 * @param questions the `questionHash` of each row
 */
export function holdOut(
  questions: readonly number[],
  fraction: number,
  seed: number,
): { training: Uint32Array; heldOut: Uint32Array } {
  const keys = Float64Array.from(questions, (hash) => mixed(hash, seed));
  const different = Float64Array.from(new Set(keys)).sort();
  if (different.length < 2) {
    throw new UserError("--eval-fraction needs at least two different questions");
  }
  const wanted = Math.round(fraction * different.length);
  const count = Math.min(Math.max(wanted, 1), different.length - 1);
  const last = different[count - 1];
  const side = (held: boolean) =>
    Uint32Array.from(keys.keys().filter((i) => keys[i] <= last === held));
  return { training: side(false), heldOut: side(true) };
}

/** Another 53 bits from a hash and a seed. */
function mixed(hash: number, seed: number): number {
  let a = Math.imul((hash >>> 0) ^ seed, 2654435761);
  let b = Math.imul(Math.floor(hash / 4294967296) ^ (a >>> 15), 1597334677);
  a = Math.imul(a ^ (a >>> 16) ^ b, 2246822507);
  b = Math.imul(b ^ (b >>> 13) ^ a, 3266489909);
  a ^= b >>> 16;
  return 4294967296 * (2097151 & b) + (a >>> 0);
}
