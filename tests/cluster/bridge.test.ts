import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bridge } from "../../beyond/cluster/bridge.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-bridge-test-"));
const before = process.env.RLEXPLORE_PYTHON;
afterAll(() => {
  if (before === undefined) delete process.env.RLEXPLORE_PYTHON;
  else process.env.RLEXPLORE_PYTHON = before;
  rmSync(folder, { recursive: true });
});

/** A bridge whose Python has Ray, and otherwise does this. */
function bridgeThat(does: string): Bridge {
  const python = join(folder, "python");
  writeFileSync(python, `#!/bin/sh\n[ "$1" = -c ] && exit 0\necho a warning >&2\n${does}\n`);
  chmodSync(python, 0o755);
  process.env.RLEXPLORE_PYTHON = python;
  return Bridge.open();
}

test.each([
  ["kill -9 $$", "it was killed (SIGKILL)"],
  ["echo ImportError: no such module >&2; exit 1", "ImportError: no such module"],
  ["printf 'this is no frame at all, but text'", "a message was damaged on its way"],
])("a bridge that ends says why: %s", async (does, why) => {
  const bridge = bridgeThat(does);
  await expect(bridge.request("nodes", {})).rejects.toThrow(
    `the bridge to Ray ended: ${why}; a run goes on from its last checkpoint with --resume`,
  );
  bridge.close();
});
