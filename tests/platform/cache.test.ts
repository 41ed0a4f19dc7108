import { afterAll, expect, test } from "bun:test";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unpackInto } from "../../beyond/platform/cache.ts";

const base = mkdtempSync(join(tmpdir(), "rlexplore-cache-"));
afterAll(() => rmSync(base, { recursive: true }));

let filled = 0;
const fill = async (folder: string) => {
  filled++;
  for (const name of ["a.so", "b.so"]) writeFileSync(join(folder, name), "x".repeat(9999));
};

test("libraries are unpacked once; what was cut short, changed, added or lost since is unpacked again", async () => {
  const folder = await unpackInto(base, "libraries", fill);
  expect(await unpackInto(base, "libraries", fill)).toBe(folder);
  expect(filled).toBe(1);
  const damages = [
    () => truncateSync(join(folder, "a.so"), 100),
    () => writeFileSync(join(folder, "b.so"), `${"x".repeat(9998)}y`),
    () => rmSync(join(folder, "b.so")),
    () => writeFileSync(join(folder, "c.so"), ""),
    () => rmSync(join(folder, "hashes.json")),
  ];
  for (const [i, damage] of damages.entries()) {
    damage();
    expect(await unpackInto(base, "libraries", fill)).toBe(folder);
    expect(filled).toBe(i + 2);
    expect(readFileSync(join(folder, "a.so"), "utf8").length).toBe(9999);
    expect(readdirSync(base)).toEqual(["libraries"]);
  }
  // two programs that start at once
  rmSync(folder, { recursive: true });
  const both = [1, 2].map(() => unpackInto(base, "libraries", fill));
  expect(await Promise.all(both)).toEqual([folder, folder]);
});
