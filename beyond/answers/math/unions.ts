/** Parts of the number line: overlapping ones are joined, points are taken out. */
import { evaluate } from "./evaluate.ts";
import { hasSymbols } from "./expression.ts";
import { parse } from "./parse.ts";
import { UNIT } from "./precise.ts";
import type { Node } from "./tree.ts";

interface Part {
  low: Bound;
  high: Bound;
}
interface Bound {
  key: string;
  value: bigint;
  isClosed: boolean;
}
const FAR = UNIT << 4000n;

/** The union of sets and intervals with these keys. */
export function union(keys: string[]): string {
  const points = keys.flatMap((key) => pointsOf(key) ?? []);
  const intervals = keys.filter((key) => pointsOf(key) === null);
  if (intervals.length === 0) return `\\{${[...new Set(points)].sort().join(",")}\\}`;
  const parts = [...intervals.map(intervalOf), ...points.map(pointOf)];
  if (parts.some((part) => part === null)) return [...new Set(keys)].sort().join(" \\cup ");
  const texts = merged(parts as Part[]).map(({ low, high }) =>
    low.key === high.key
      ? `\\{${low.key}\\}`
      : `${low.isClosed ? "[" : "("}${low.key},${high.key}${high.isClosed ? "]" : ")"}`,
  );
  return texts.join(" \\cup ");
}

/** The line without some points: x != 0, or x != 1, x != 2; null for other relations. */
export function exceptPoints(items: readonly Node[], keyOf: (item: Node) => string): string | null {
  const bounds: Bound[] = [];
  for (const item of items) {
    if (item.op !== "relation" || item.name !== "!=") return null;
    const [x, value] = item.args;
    if (
      x.op !== "symbol" ||
      hasSymbols(value) ||
      (items[0] as typeof item).args[0].op !== "symbol"
    ) {
      return null;
    }
    const bound = boundOf(keyOf(value), false);
    if (bound === null) return null;
    bounds.push(bound);
  }
  bounds.sort((a, b) => (a.value < b.value ? -1 : 1));
  const ends = ["-oo", ...bounds.map(({ key }) => key), "oo"];
  return ends
    .slice(1)
    .map((end, i) => `(${ends[i]},${end})`)
    .join(" \\cup ");
}

function merged(parts: Part[]): Part[] {
  const sorted = parts
    .filter(({ low, high }) => low.value <= high.value)
    .sort((a, b) =>
      a.low.value === b.low.value
        ? Number(b.low.isClosed) - Number(a.low.isClosed)
        : a.low.value < b.low.value
          ? -1
          : 1,
    );
  const result: Part[] = [];
  for (const part of sorted) {
    const last = result.at(-1);
    const touches =
      last &&
      (part.low.value < last.high.value ||
        (part.low.value === last.high.value && (part.low.isClosed || last.high.isClosed)));
    if (!touches) result.push({ ...part });
    else if (part.high.value > last.high.value) last.high = part.high;
    else if (part.high.value === last.high.value && part.high.isClosed) last.high = part.high;
  }
  return result;
}

/** The elements of \{1,2\}; null for an interval. */
function pointsOf(key: string): string[] | null {
  const inside = /^\\\{(.*)\\\}$/.exec(key)?.[1];
  return inside === undefined ? null : inside === "" ? [] : splitAtCommas(inside);
}

function intervalOf(key: string): Part | null {
  const [, open, inside, close] = /^([[(])(.*)([\])])$/.exec(key) ?? [];
  const ends = inside === undefined ? [] : splitAtCommas(inside);
  if (ends.length !== 2) return null;
  const [low, high] = [boundOf(ends[0], open === "["), boundOf(ends[1], close === "]")];
  return low && high && { low, high };
}

function pointOf(key: string): Part | null {
  const bound = boundOf(key, true);
  return bound && { low: bound, high: bound };
}

function boundOf(key: string, isClosed: boolean): Bound | null {
  if (key === "oo") return { key, value: FAR, isClosed };
  if (key === "-oo") return { key, value: -FAR, isClosed };
  const tree = parse(key);
  const value = hasSymbols(tree) ? null : evaluate(tree, 0);
  return value && value.im === 0n ? { key, value: value.re, isClosed } : null;
}

function splitAtCommas(text: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const c of text) {
    if (/[([{]/.test(c)) depth++;
    if (/[)\]}]/.test(c)) depth--;
    if (c === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += c;
  }
  return parts;
}
