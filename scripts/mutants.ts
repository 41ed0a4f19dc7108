// Plants one mistake at a time in a copy of the core and runs the tests that should notice:
//   npm run mutants                 all of tests/mutants/*.ts, about a quarter of an hour on two cores
//   npm run mutants -- learn clip   those whose file or description contains one of the words
// A mutant that no test kills is printed as SURVIVED, and the exit code is 1.
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Mutant, plant } from "../tests/mutants/mutant.ts";
import { mutants } from "../tests/mutants/mutants.ts";

const root = resolve(import.meta.dir, "..");
const words = process.argv.slice(2);
const chosen = mutants.filter(
  ({ file, mistake }) =>
    words.length === 0 || words.some((word) => `${file} ${mistake}`.includes(word)),
);

const copy = mkdtempSync(join(tmpdir(), "rlexplore-mutants-"));
const tracked = Bun.spawnSync(["git", "ls-files", "-z"], { cwd: root }).stdout.toString();
for (const file of tracked
  .split("\0")
  .filter((name) => name && !name.startsWith("bench/results"))) {
  cpSync(join(root, file), join(copy, file));
}
symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));

/** Whether all of the tests pass in the copy. */
function passes(tests: readonly string[]): boolean {
  const args = ["test", "--timeout", "120000", "--bail", ...tests.map((test) => `./${test}`)];
  return Bun.spawnSync([process.execPath, ...args], { cwd: copy }).exitCode === 0;
}

/** Whether a test notices the mistake. */
async function isKilled({ file, original, mistaken, tests }: Mutant): Promise<boolean> {
  const path = join(copy, file);
  const text = await Bun.file(path).text();
  await Bun.write(path, plant(text, { file, original, mistaken }));
  try {
    return !passes(tests);
  } finally {
    await Bun.write(path, text);
  }
}

let survived = 0;
try {
  const all = [...new Set(chosen.flatMap(({ tests }) => tests))];
  if (!passes(all)) {
    console.error(`mutants: ${all.join(" ")} fail as they are; mend them first`);
    process.exit(2);
  }
  for (const mutant of chosen) {
    const killed = await isKilled(mutant);
    if (!killed) survived++;
    console.log(`${killed ? "killed  " : "SURVIVED"}  ${mutant.file}: ${mutant.mistake}`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`${chosen.length - survived} of ${chosen.length} killed`);
process.exitCode = survived > 0 ? 1 : 0;
