/** What of the playground needs no browser. */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXAMPLE as GROUP } from "../../beyond/own/example.ts";
import { ucbCon } from "../../lib/explore/methods/ucb-con.ts";
import { buildPlayground } from "../../playground/build.ts";
import { FORMULAS, METHOD_FORMULAS } from "../../playground/page/formulas.ts";
import {
  addTo,
  type Extent,
  emptyLog,
  extentOf,
  joined,
  type Log,
  since,
} from "../../playground/page/log.ts";
import { EXAMPLE, ownMethod } from "../../playground/trainer/own-method.ts";

test("the page's programs use nothing that a browser lacks", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rlexplore-playground-"));
  await buildPlayground(folder);
  for (const name of ["page.js", "trainer.js", "charts.js"]) {
    const code = readFileSync(join(folder, name), "utf8");
    const foreign = code.match(/"(?:bun|node):\w+"|SharedArrayBuffer|setImmediate|Bun\.\w+/g) ?? [];
    expect({ name, foreign: [...new Set(foreign)] }).toEqual({ name, foreign: [] });
  }
  rmSync(folder, { recursive: true });
});

test("every formula names a line that stands once in its file", () => {
  for (const { name, file, line } of [
    ...Object.values(FORMULAS),
    ...Object.values(METHOD_FORMULAS),
  ]) {
    const found = readFileSync(join(import.meta.dir, "../..", file), "utf8").split(line).length - 1;
    expect({ name, found }).toEqual({ name, found: 1 });
  }
});

test("a bonus of the visitor's: the example is ucb-con; what is wrong is said", () => {
  expect(ownMethod(EXAMPLE).signal(GROUP, {})).toEqual(ucbCon.signal(GROUP, { b0: 0.5 }));
  for (const [code, said] of [
    ["return counts.map(", /your bonus is no JavaScript/],
    ["return nothing;", /your bonus failed: nothing is not defined/],
    ["throw null;", /your bonus failed: null/],
    ["return 1;", /must return a list of 6 numbers here, not 1/],
    ["return counts.slice(1);", /not 5 numbers/],
    ["return counts.map((N) => 1 / (N - 1));", /returned Infinity, no finite number/],
  ] as const) {
    expect(() => ownMethod(code)).toThrow(said);
  }
});

test("the visitor's code is watched while it runs, however it ends", () => {
  const told: boolean[] = [];
  const watch = (running: boolean) => told.push(running);
  ownMethod(EXAMPLE, watch);
  expect(() => ownMethod("throw 1;", watch)).toThrow("your bonus failed: 1");
  expect(told).toEqual([true, false, true, false]);
});

test("a log that is kept in pieces is the same when it is put together", () => {
  const log = emptyLog();
  const pieces: Log[] = [];
  let extent: Extent | undefined;
  for (const step of [1, 2, 3]) {
    const outcomes = [String(step), null];
    addTo(log, step, [
      { question: `q${step % 2}`, texts: ["a", "b"], outcomes, correct: [true, false] },
    ]);
    pieces.push(since(log, extent));
    extent = extentOf(log);
  }
  expect(joined(pieces)).toEqual(log);
  expect(log.questions).toEqual(["q1", "q0"]);
  expect(pieces.map(({ text }) => text.length)).toEqual([2, 2, 2]);
});
