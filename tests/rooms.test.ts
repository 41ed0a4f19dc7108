/** What keeps the core readable: it stands alone, nothing runs in circles, and it stays small. */
import { expect, test } from "bun:test";
import { BUDGET, readingList } from "../scripts/core.ts";
import { circlesIn, codeIn, importsOf, linesOf } from "../scripts/modules.ts";

const core = codeIn("lib", "shaders");

test("the core takes in nothing from outside itself: no other room, no package, nothing of the runtime", () => {
  const foreign = core.flatMap((file) =>
    importsOf(file)
      .filter((name) => !/^(?:lib|shaders)\//.test(name))
      .map((name) => `${file} takes in ${name}`),
  );
  expect(foreign).toEqual([]);
});

test("all that a file takes in is there", () => {
  const all = new Set(codeIn("lib", "shaders", "beyond", "main.ts"));
  const missing = [...all].flatMap((file) =>
    importsOf(file)
      .filter((name) => /\.(?:ts|wgsl)$/.test(name) && !all.has(name))
      .map((name) => `${file} takes in ${name}`),
  );
  expect(missing).toEqual([]);
});

test("no files take each other in, types included", () => {
  const { circles } = circlesIn(codeIn("lib", "shaders", "beyond", "main.ts"));
  expect(circles).toEqual([]);
});

test("the core is within its lines, and npm run core lists every file of it once", () => {
  expect(
    readingList()
      .flatMap(({ files }) => files)
      .sort(),
  ).toEqual([...core].sort());
  const lines = core.map(linesOf).reduce((a, b) => a + b, 0);
  expect(lines).toBeLessThanOrEqual(BUDGET);
});
