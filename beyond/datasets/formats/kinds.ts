/** What a file is, told from its first bytes rather than its name; and what to do about those that are no data. */
import { UserError } from "../../../lib/errors.ts";

export type Kind = "parquet" | "array" | "lines" | "csv";

/** Things people give by mistake: how they begin, what they are, and what to do instead. */
const MISTAKEN: [begin: RegExp, what: string, fix: string][] = [
  [/^(?:\xff\xfe|\xfe\xff)/, "is UTF-16 text", "save it as UTF-8"],
  [/^\s*<(?:!doctype|html|head|\?xml)/i, "is a web page", "download the data file itself"],
  [
    /^version https:\/\/git-lfs/,
    "is a Git LFS pointer",
    "fetch the file it stands for: git lfs pull",
  ],
  [/^PK\W\W/, "is a zip archive or a spreadsheet", "unpack it, or save it as CSV"],
  [/^\x28\xb5\x2f\xfd/, "is packed with Zstandard", "unpack it: unzstd"],
  [/^BZh/, "is packed with bzip2", "unpack it: bunzip2"],
  [/^\xfd7zXZ/, "is packed with xz", "unpack it: unxz"],
  [/^ARROW1/, "is an Arrow file", "save it as Parquet or JSON lines"],
  [/\0/, "is a binary file", "give JSON lines, a JSON array, CSV or Parquet"],
];

/** @throws UserError for what is neither JSON, CSV nor Parquet */
export function kindOf(head: Uint8Array, name: string): Kind {
  const text = Buffer.from(head).toString("latin1");
  if (text.startsWith("PAR1")) return "parquet";
  for (const [begin, what, fix] of MISTAKEN) {
    if (begin.test(text)) throw new UserError(`${name} ${what}, not data; ${fix}`);
  }
  const content = text.replace(/^\xef\xbb\xbf/, "").trimStart();
  if (/^\[\s*(?:\{|$|\])/.test(content)) return "array";
  if (content === "" || /^[{[]/.test(content)) return "lines";
  if (/\.[ct]sv(?:\.gz)?$/i.test(name)) return "csv";
  const looksLikeCsv = /^[\w" ]+(?:[,;\t][\w" ]*)+\r?(?:\n|$)/.test(content);
  return looksLikeCsv && !/\.jsonl?(?:\.gz)?$/i.test(name) ? "csv" : "lines";
}

/** What stands between the cells: whatever is most frequent among the names in the first line. */
export function separatorOf(head: Uint8Array): string {
  const [names] = Buffer.from(head).toString("latin1").split("\n");
  const times = (separator: string) => names.split(separator).length;
  return [";", "\t"].reduce((best, one) => (times(one) > times(best) ? one : best), ",");
}
