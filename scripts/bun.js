// Runs Bun from the npm package `bun`, whose binary lies elsewhere when its install script did not run:
//   node scripts/bun.js <arguments of bun>
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const bun = fileURLToPath(new URL("../node_modules/bun/bin/bun.exe", import.meta.url));
const installer = fileURLToPath(new URL("../node_modules/bun/install.js", import.meta.url));

const size = statSync(bun, { throwIfNoEntry: false })?.size;
if (size === undefined) {
  console.error("Bun is not installed: run `npm ci` first");
  process.exit(2);
}
// Until then a shell script of a few hundred bytes stands in the binary's place.
if (size < 1e6) {
  const { status } = spawnSync(process.execPath, [installer], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
const { status, error } = spawnSync(bun, process.argv.slice(2), { stdio: "inherit" });
if (error) console.error(`Bun could not be started: ${error.message}`);
process.exit(status ?? 1);
