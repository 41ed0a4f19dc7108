/** Runs on a disk that cannot be written: mounted so in a namespace of its own, where that is allowed. */
import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ledger, openForReading } from "../../beyond/runs/ledger.ts";
import { isWritten } from "../../beyond/runs/lock.ts";
import { makeRun, RunInTheMaking } from "../report/made-run.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-read-only-"));
afterAll(() => rmSync(folder, { recursive: true }));
const canMount = Bun.spawnSync(["unshare", "-m", "mount", "--bind", folder, folder]).success;

/** Calls the program while the folder cannot be written. */
function callOn(disk: string, ...args: string[]) {
  const mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"';
  const call = [process.execPath, join(import.meta.dir, "../../main.ts"), ...args];
  const { exitCode, stderr } = Bun.spawnSync(["unshare", "-m", "sh", "-c", mount, disk, ...call]);
  return { exitCode, stderr: stderr.toString() };
}

describe.skipIf(!canMount)("on a disk that cannot be written", () => {
  const output = mkdtempSync(join(tmpdir(), "rlexplore-output-"));
  afterAll(() => rmSync(output, { recursive: true }));

  test("a run is read", () => {
    const disk = join(folder, "whole");
    const run = makeRun(join(disk, "run"), { steps: 4 });
    const rollouts = join(output, "rollouts.jsonl");
    expect(callOn(disk, "export", run, "--rollouts", rollouts)).toMatchObject({ exitCode: 0 });
    expect(readFileSync(rollouts, "utf8").trim().split("\n").length).toBe(64);
    const page = join(output, "page.html");
    expect(callOn(disk, "report", run, "-o", page)).toMatchObject({ exitCode: 0 });
    expect(readFileSync(page, "utf8")).toContain('id="sampling-solved"');
    expect(callOn(disk, "report", run, "-o", join(run, "page.html"))).toEqual({
      exitCode: 2,
      stderr: `rlexplore: ${run}/page.html: this disk is read-only; choose a folder elsewhere\n`,
    });
  });

  test("steps that would be left out are not left out without a word", () => {
    const disk = join(folder, "killed");
    const run = new RunInTheMaking(join(disk, "run"), { evaluated: false });
    run.train(2);
    const log = join(run.path, "ledger.sqlite-wal");
    copyFileSync(log, join(output, "wal"));
    run.close();
    copyFileSync(join(output, "wal"), log);
    const { exitCode, stderr } = callOn(disk, "report", run.path, "-o", join(output, "none.html"));
    expect(stderr).toMatch(
      /its last steps are in .*-wal: copy the run to where it can be written\n$/,
    );
    expect(exitCode).toBe(2);
  });
});

test("who holds a ledger is seen, and may be while it is looked at", () => {
  const path = join(folder, "held.sqlite");
  expect(isWritten(path)).toBeNull();
  const ledger = new Ledger(path);
  expect(isWritten(path)).toBe(true);
  expect(() => new Ledger(path)).toThrow(/is in use: another rlexplore writes this run/);
  ledger.close();
  expect(isWritten(path)).toBe(false);
  openForReading(path).close();
});
