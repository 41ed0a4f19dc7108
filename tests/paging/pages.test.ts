import { expect, test } from "bun:test";
import { cacheBlocksFor, cacheTokens } from "../../beyond/paging/cache-blocks.ts";
import { Pages } from "../../beyond/paging/pages.ts";

/** Where row `row` lies, as shaders/moved.wgsl has it. */
const whereLies = (pages: Pages, row: number) =>
  (row + pages.moved[Math.floor(row / 16)]) % 2 ** 32;

test("rows that are held lie in blocks of their own, of those that there are", () => {
  const pages = new Pages(100, 5);
  expect(pages.hold(1584, 1600)).toBe(true); // far behind all blocks that there are
  expect(pages.hold(0, 17)).toBe(true);
  expect(pages.free).toBe(2);
  expect(pages.hold(3, 30)).toBe(true); // the same two
  expect(pages.free).toBe(2);
  const rows = [...Array.from({ length: 32 }, (_, i) => i), 1584, 1599];
  const places = rows.map((row) => whereLies(pages, row));
  expect(new Set(places).size).toBe(rows.length);
  expect(Math.max(...places)).toBeLessThan(5 * 16);
  expect(places.map((place) => place % 16)).toEqual(rows.map((row) => row % 16));
});

test("none is given where there are too few, or where fewer than asked would be left", () => {
  const pages = new Pages(100, 3);
  expect([pages.lacking(20, 70), pages.hold(20, 85)]).toEqual([4, false]);
  expect(pages.free).toBe(3);
  expect([pages.hold(20, 40, 1), pages.hold(20, 56, 1), pages.hold(20, 56)]).toEqual([
    true,
    false,
    true,
  ]);
  expect(pages.hold(20, 56, 99)).toBe(true); // takes nothing
});

test("what is dropped is free again, once", () => {
  const pages = new Pages(100, 4);
  pages.hold(32, 96);
  pages.drop(64, 96);
  pages.drop(64, 96);
  expect(pages.free).toBe(2);
  expect([pages.hold(320, 352), pages.hold(400, 401)]).toEqual([true, false]);
  expect(new Set([32, 48, 320, 336].map((row) => whereLies(pages, row))).size).toBe(4);
  pages.dropAll();
  expect([pages.free, pages.lacking(0, 1600)]).toEqual([4, 100]);
});

test("rows that grow together stay in one piece each, as far as there is room", () => {
  const pages = new Pages(64, 32);
  for (let block = 0; block < 4; block++) {
    for (const owner of [0, 16, 32, 48]) pages.hold(16 * owner, 16 * (owner + block + 1));
  }
  for (const owner of [0, 16, 32, 48]) {
    const first = whereLies(pages, 16 * owner);
    expect(whereLies(pages, 16 * (owner + 3))).toBe(first + 48);
  }
});

test("of where they lie, what has changed is told once", () => {
  const pages = new Pages(100, 9);
  expect(pages.takeChanged()).toBeUndefined();
  pages.hold(33, 40);
  pages.hold(100, 140);
  expect(pages.takeChanged()).toEqual({ first: 2, count: 7 });
  pages.hold(33, 40);
  pages.drop(33, 40);
  expect(pages.takeChanged()).toBeUndefined();
});

test("a cache of so many tokens has no block more, and holds one completion at least", () => {
  const lengths = { maxPromptTokens: 20, maxNewTokens: 31, readEvery: 2 };
  const sizes = { rows: 4, promptSlots: 2, ...lengths };
  expect(cacheTokens({ ...sizes, promptSlots: 1, rows: 1 }, 16)).toBe(32 + 48);
  expect(cacheBlocksFor(80, sizes)).toBe(5);
  expect(cacheBlocksFor(95, sizes)).toBe(5);
  expect(() => cacheBlocksFor(79, sizes)).toThrow(
    "--kv-cache-tokens 79 cannot hold a prompt of 20 and a completion of 31 tokens, each held 16 at a time: give 80 or more",
  );
  // where each has a place of its own there are no blocks to round up to
  const all = 2 * 20 + 4 * 33;
  expect(cacheBlocksFor(all - 1, sizes)).toBe(Math.floor((all - 1) / 16));
  expect([cacheBlocksFor(all, sizes), cacheBlocksFor(null, sizes)]).toEqual([undefined, undefined]);
});
