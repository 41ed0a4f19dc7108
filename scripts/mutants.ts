// Plants one mistake at a time in a copy of the project and runs the tests that should notice:
//   npm run mutants                 all of tests/mutants/
//   npm run mutants -- learn clip   those whose file or description contains one of the words
// A mutant that no test kills is printed as SURVIVED, and the exit code is 1.
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { plant } from "../tests/mutants/mutant.ts";
import { allMutants } from "../tests/mutants/mutants.ts";

const root = resolve(import.meta.dir, "..");
const words = process.argv.slice(2);
const isChosen = (name: string) => words.length === 0 || words.some((word) => name.includes(word));

const copy = mkdtempSync(join(tmpdir(), "rlexplore-mutants-"));
const tracked = Bun.spawnSync(["git", "ls-files", "-z"], { cwd: root }).stdout.toString();
for (const file of tracked.split("\0").filter((name) => name && !name.startsWith("bench/"))) {
  cpSync(join(root, file), join(copy, file));
}
symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));

/** Whether all of the tests pass in the copy. A test that hangs has noticed. */
function passes(tests: readonly string[]): boolean {
  const args = ["test", "--timeout", "120000", "--bail", ...tests.map((test) => `./${test}`)];
  return Bun.spawnSync([process.execPath, ...args], { cwd: copy, timeout: 300_000 }).exitCode === 0;
}

let all = 0;
let killed = 0;
try {
  for (const { file, tests, mistakes } of allMutants) {
    const chosen = mistakes.filter(([mistake]) => isChosen(`${file} ${mistake}`));
    if (chosen.length === 0) continue;
    if (!passes(tests)) {
      console.error(`mutants: ${tests.join(" ")} fail as they are; mend them first`);
      process.exitCode = 2;
      break;
    }
    const path = join(copy, file);
    const text = await Bun.file(path).text();
    for (const [mistake, original, mistaken] of chosen) {
      await Bun.write(path, plant(file, text, original, mistaken));
      const survives = passes(tests);
      console.log(`${survives ? "SURVIVED" : "killed  "}  ${file}: ${mistake}`);
      all++;
      if (!survives) killed++;
    }
    await Bun.write(path, text);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`${killed} of ${all} killed`);
if (killed < all) process.exitCode = 1;
