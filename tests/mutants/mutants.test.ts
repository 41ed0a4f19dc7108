import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { plant } from "./mutant.ts";
import { allMutants } from "./mutants.ts";

const root = join(import.meta.dir, "../..");

test("every mistake of npm run mutants can be planted in the code as it is", () => {
  for (const { file, mistakes } of allMutants) {
    const text = readFileSync(join(root, file), "utf8");
    for (const [, original, mistaken] of mistakes) {
      expect(plant(file, text, original, mistaken)).not.toBe(text);
    }
  }
});

test("there are sixty or more, in all parts of the core", () => {
  expect(allMutants.flatMap(({ mistakes }) => mistakes).length).toBeGreaterThanOrEqual(60);
});
