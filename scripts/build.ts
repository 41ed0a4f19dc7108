// Builds the executable, with all it needs inside: shaders, base model, Dawn, software adapter.
//   npm run build                         ./rlexplore for this machine
//   npm run build -- --target=<platform>  dist/rlexplore-<platform>, built here for another one
import { mkdir, rm, stat } from "node:fs/promises";
import { relative, resolve } from "node:path";

const targets: Record<string, Bun.Build.CompileTarget> = {
  "linux-x64": "bun-linux-x64",
  "linux-arm64": "bun-linux-arm64",
  "darwin-arm64": "bun-darwin-arm64",
  "darwin-x64": "bun-darwin-x64",
  "windows-x64": "bun-windows-x64",
};

const root = resolve(import.meta.dir, "..");

/** Ends the build with one line for the user. */
function fail(message: string): never {
  console.error(`build: ${message}`);
  process.exit(2);
}

function readArguments(args: string[]): { target?: string; entry: string } {
  let target: string | undefined;
  let entry = "main.ts";
  for (let i = 0; i < args.length; i++) {
    const [name, value = args[++i]] = args[i].split("=", 2);
    if (name === "--target") target = value;
    else if (name === "--entry") entry = value;
    else fail(`unknown argument ${name}; there is --target=<${Object.keys(targets).join("|")}>`);
  }
  if (target !== undefined && !(target in targets)) {
    fail(`unknown target "${target}"; there are: ${Object.keys(targets).join(", ")}`);
  }
  return { target, entry: resolve(root, entry) };
}

const { target, entry } = readArguments(process.argv.slice(2));
const system = process.platform === "win32" ? "windows" : process.platform;
const platform = target ?? `${system}-${process.arch}`;
if (!(platform in targets)) fail(`rlexplore has no GPU library for ${platform}`);
const suffix = platform.startsWith("windows") ? ".exe" : "";
const outfile = resolve(root, target ? `dist/rlexplore-${target}${suffix}` : `rlexplore${suffix}`);

const start = performance.now();
await mkdir(resolve(outfile, ".."), { recursive: true });
try {
  const { logs } = await Bun.build({
    entrypoints: [entry],
    compile: {
      target: targets[platform],
      outfile,
      // What lies in the folder where the user works is data, not configuration of the program.
      autoloadBunfig: false,
      autoloadDotenv: false,
    },
    // Names stay, and lines are mapped, so that a stack trace in a bug report can be read.
    minify: { whitespace: true, syntax: true },
    sourcemap: "inline",
  });
  for (const log of logs) console.error(String(log));
  await rm(`${outfile.replace(/\.exe$/, "")}.map`, { force: true });
} catch (error) {
  const problems = error instanceof AggregateError ? error.errors : [error];
  fail(problems.map(String).join("\n"));
}
const megabytes = ((await stat(outfile)).size / 1e6).toFixed(0);
const seconds = ((performance.now() - start) / 1000).toFixed(1);
console.log(`built ${relative(process.cwd(), outfile)} (${megabytes} MB) in ${seconds} s`);
