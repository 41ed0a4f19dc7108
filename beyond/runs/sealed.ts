import { crc32 } from "node:zlib";

/** The text of a JSON file with a checksum of the rest of it: `check`, the CRC-32 of the object without spaces. */
export const sealed = (content: object): string =>
  `${JSON.stringify({ ...content, check: crc32(JSON.stringify(content)) }, null, 2)}\n`;

/** Thrown where the checksum in a file is not that of the rest. */
export class BrokenSeal extends Error {}

/**
 * The object of such a text. One without a checksum is taken as it is: older versions wrote none.
 * @throws SyntaxError, or BrokenSeal
 */
export function unsealed(text: string): Record<string, unknown> {
  const read = JSON.parse(text);
  if (typeof read !== "object" || read === null) throw new SyntaxError("not an object");
  const { check, ...content } = read;
  if (check !== undefined && check !== crc32(JSON.stringify(content))) throw new BrokenSeal();
  return content;
}
