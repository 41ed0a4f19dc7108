import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const script = resolve(import.meta.dir, "../../scripts/gpu-check.sh");
const folder = mkdtempSync(join(tmpdir(), "rlexplore-gpu-check-"));
afterAll(() => rmSync(folder, { recursive: true }));

// what stands in for every program of the script: it says what it was called with
writeFileSync(
  join(folder, "bun"),
  '#!/bin/sh\necho "called with $*, 59 kernels, all as they should be"\n',
);
chmodSync(join(folder, "bun"), 0o755);
let times = 0;

/** The table, by part: what became of it, and what it said. */
async function check(env: Record<string, string> = {}) {
  const logs = join(folder, `logs-${times++}`);
  const { exited } = Bun.spawn(["bash", script, logs], {
    env: {
      ...process.env,
      PATH: `${folder}:${process.env.PATH}`,
      PERCENT: "1",
      SMOLLM2: "m",
      ...env,
    },
    stdout: "ignore",
    stderr: "ignore",
  });
  expect(await exited).toBe(0);
  const lines = readFileSync(join(logs, "table.txt"), "utf8").trim().split("\n");
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, what] =
        /^(\S+) +(ok|out of time|failed \(\d+\)|no time left) +\d+ s/.exec(line) ?? [];
      return [name, what];
    }),
  );
}

const whole = await check({ PERCENT: "100" });
const parts = Object.keys(whole);

test("without a fault every part is done, the self-test first", () => {
  expect(parts.length).toBeGreaterThan(12);
  expect(parts[0]).toBe("self-test");
  expect(new Set(Object.values(whole))).toEqual(new Set(["ok"]));
});

test.concurrent.each(parts)("a fault in %s costs that part alone", async (part) => {
  for (const [fault, said] of Object.entries({
    hangs: "out of time",
    fails: "failed (3)",
    crashes: "failed (139)",
  })) {
    const table = await check({
      FAULT: `${part}:${fault}`,
      PERCENT: fault === "hangs" ? "1" : "100",
    });
    expect(table).toEqual({ ...whole, [part]: said });
  }
});

test("what no time is left for says so", async () => {
  const table = await check({ SECONDS_IN_ALL: "0" });
  expect(new Set(Object.values(table))).toEqual(new Set(["no time left"]));
});

test.each([{ ONLY: "self-test nonsense" }, { FAULT: "nonsense:hangs" }, { FAULT: "train:sleeps" }])(
  "a part or a fault that there is none of is refused: %p",
  async (env) => {
    const { exited, stderr } = Bun.spawn(["bash", script, join(folder, "refused")], {
      env: { ...process.env, ...env },
      stdout: "ignore",
      stderr: "pipe",
    });
    expect(await exited).toBe(2);
    expect(await new Response(stderr).text()).toMatch(
      /^gpu-check: .*(nonsense; these are: self-test|hangs, fails or crashes).*\n$/,
    );
  },
);
