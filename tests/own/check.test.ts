/** `rlexplore check`, and what is true of own code however it is used. */
import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { checkOwn } from "../../beyond/commands/check-own.ts";
import { loadOwn } from "../../beyond/own/code.ts";
import { provideBuiltIns } from "../../beyond/own/provide.ts";
import { STARTS } from "../../beyond/own/starts.ts";
import { newSettings } from "../../beyond/settings/arguments.ts";
import { UserError } from "../../lib/errors.ts";
import { OwnFiles } from "./files.ts";

const files = new OwnFiles();
beforeAll(provideBuiltIns);
afterAll(() => files.remove());

/** What `check` of a file says at last, and what it printed. */
async function check(code: string) {
  const said = spyOn(console, "error").mockImplementation(() => {});
  const shown = spyOn(console, "log").mockImplementation(() => {});
  try {
    const error = await checkOwn({ file: files.write(code) }).then(
      () => null,
      (error) => {
        expect(error).toBeInstanceOf(UserError);
        return (error.message as string).replaceAll(files.folder, ".");
      },
    );
    return { error, shown: String(shown.mock.calls), said: String(said.mock.calls) };
  } finally {
    said.mockRestore();
    shown.mockRestore();
  }
}

describe("check refuses", () => {
  const BONUS = "; a bonus or an advantage is no function: export default { name, signal }";
  test.each([
    ["export const a = () => { throw new Error('no'); };", /^5 of 5 calls of \S+ failed, as told/],
    ["export const a = () => 1; export const b = () => NaN;", /^5 of 10 calls of \S+ failed, as/],
    ["export const a = (text) => (text[0] === '#' ? NaN : 1);", /^1 of 5 calls of \S+ failed, as/],
    [
      "export default () => { throw new Error('no'); };",
      /^5 of 5 calls .* a bonus or an advantage is no function/,
    ],
  ])("%s", async (code, message) => {
    const { error, said } = await check(code);
    expect(error).toMatch(message);
    expect(said).toContain("failed on row 1: ");
  });

  test("a function where a bonus was meant, and says so", async () => {
    const { error } = await check("export default ({ counts }) => counts.map((n) => 1 / n);");
    expect(error).toEndWith(BONUS);
  });

  test.each(["1e300", "1e38", "-1e13"])("a signal of %s", async (value) => {
    const { error, shown } = await check(
      `export default { name: "a", signal: ({ counts }) => Array.from(counts, () => ${value}) };`,
    );
    expect(error).toMatch(/checks of a fail/);
    expect(shown).toMatch(
      /FAILS {2}a finite number .* returned -?1e\+?\d+ for completion 1: more/i,
    );
  });

  test("a parameter that is a flag of train", async () => {
    const { error } = await check(
      `export default { name: "a", parameters: { learningRate: { default: 1, help: "" } }, signal: () => [] };`,
    );
    expect(error).toMatch(/own\d+\.ts: --learning-rate is a flag already/);
  });

  test.each(["outcome", "reward"] as const)("no %s that new begins", async (kind) => {
    expect((await check(STARTS[kind])).error).toBeNull();
  });
});

test("new writes TypeScript alone", () => {
  expect(() => newSettings(["bonus", "a.txt"])).toThrow("a.txt must end in .ts");
  expect(newSettings(["bonus", "./a.ts"])).toEqual({ kind: "bonus", file: "./a.ts" });
});

test("a file that never ends to be loaded is refused after a time", async () => {
  const path = files.write("await new Promise(() => {}); export default 1;");
  await expect(loadOwn("check", path, 0.05)).rejects.toThrow(
    `check ${path} cannot be loaded: no end of its loading within 0.05 s`,
  );
});

test("what own code prints goes to standard error, and what the program prints does not", async () => {
  const path = files.write(
    `console.log("loaded");
     export default async () => {
       console.table([7]);
       await new Promise((done) => setTimeout(done, 1));
       console.info("called");
       return 1;
     };`,
  );
  const code = `
    import { checkOwn } from "${import.meta.dir}/../../beyond/commands/check-own.ts";
    await checkOwn({ file: ${JSON.stringify(path)} });`;
  const program = Bun.spawn([process.execPath, "run", files.write(code)], {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, BUN_BE_BUN: "1" },
  });
  const [out, error] = await Promise.all([
    new Response(program.stdout).text(),
    new Response(program.stderr).text(),
  ]);
  expect(out).toContain("rewards, with --outcome math");
  expect(out).not.toMatch(/loaded|called|│/);
  expect(error.split("\n").slice(0, 2)).toEqual(["loaded", "┌─────────┬────────┐"]);
  expect(error.match(/called/g)?.length).toBe(6);
});
