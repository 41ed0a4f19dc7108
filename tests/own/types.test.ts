/** What an editor shows of own code is true: `rlexplore.d.ts` against what is really given, and the beginnings. */
import { afterAll, expect, test } from "bun:test";
import { join, resolve } from "node:path";
import * as given from "../../beyond/own/module.ts";
import { KINDS, STARTS, TYPES } from "../../beyond/own/starts.ts";
import { OwnFiles } from "./files.ts";

const files = new OwnFiles();
afterAll(() => files.remove());
const root = resolve(import.meta.dir, "../..");

/** What TypeScript says of these files, with the settings of an editor that has none for them. */
async function mistakesIn(paths: readonly string[]): Promise<string> {
  const options = "--noEmit --strict --skipLibCheck --target esnext --module preserve --types";
  const tsc = Bun.spawn(
    [join(root, "node_modules/.bin/tsc"), ...options.split(" "), "", ...paths],
    {
      cwd: files.folder,
      stdout: "pipe",
    },
  );
  return new Response(tsc.stdout).text();
}

test("the beginnings have the types that stand beside them, and mistakes are seen", async () => {
  files.write(TYPES, "rlexplore.d.ts");
  const starts = KINDS.map((kind) => files.write(STARTS[kind], `${kind}.ts`));
  const wrong = files.write(
    `/// <reference path="./rlexplore.d.ts" />
     import { type Bonus, math } from "rlexplore";
     export default { name: "a", signal: ({ cuonts }) => cuonts } satisfies Bonus;
     export const judged = math(5);`,
    "wrong.ts",
  );
  const said = await mistakesIn([...starts, wrong]);
  expect(said).toContain("wrong.ts(3,45): error TS2339: Property 'cuonts' does not exist");
  expect(said).toContain("wrong.ts(4,28): error TS2554: Expected 2-3 arguments, but got 1.");
  expect(
    said
      .trim()
      .split("\n")
      .filter((line) => !line.startsWith("wrong.ts")),
  ).toEqual([]);
});

test("all that is given is declared, and all that is declared is given", () => {
  const declared = [...TYPES.matchAll(/^ {2}export (?:const|function) (\w+)/gm)].map(
    ([, name]) => name,
  );
  expect(declared.sort()).toEqual(Object.keys(given).sort());
});
