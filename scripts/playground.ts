// Builds the playground into dist/playground, to be put on any web host:
//   npm run playground
import { readdirSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { buildPlayground } from "../playground/build.ts";

const folder = resolve(import.meta.dir, "../dist/playground");
await buildPlayground(folder);
const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
const megabytes = (sizes.reduce((a, b) => a + b, 0) / 1e6).toFixed(1);
console.log(`built ${relative(process.cwd(), folder)} (${megabytes} MB)`);
