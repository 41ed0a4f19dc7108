/** Things of which the order does not matter. */
import type { Node } from "./tree.ts";

/** The keys of items, sorted; an item that is given twice is there twice. */
export const multiset = (items: readonly Node[], keyOf: (item: Node) => string): string[] =>
  items.map(keyOf).sort();
