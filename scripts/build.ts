// Builds the executable, with all it needs inside: shaders, base model, Dawn, software adapter.
//   npm run build                         ./rlexplore for this machine
//   npm run build -- --target=<platform>  dist/rlexplore-<platform>, built here for another one
//   npm run build -- --outfile=<path>     elsewhere
import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { buildPlayground } from "../playground/build.ts";

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

function readArguments(args: string[]): { target?: string; outfile?: string } {
  const given: { target?: string; outfile?: string } = {};
  for (let i = 0; i < args.length; i++) {
    const [name, value = args[++i]] = args[i].split("=", 2);
    if (name === "--target") given.target = value;
    else if (name === "--outfile") given.outfile = value;
    else fail(`unknown argument ${name}; there are --target=<platform> and --outfile=<path>`);
    if (!value) fail(`${name} needs a value`);
  }
  return given;
}

/** Has the executable hold the files of `folder`, which beyond/playground/files.ts finds in dist/ otherwise. */
const holding = (folder: string): Bun.BunPlugin => ({
  name: "the playground's files",
  setup({ onLoad }) {
    onLoad({ filter: /beyond.playground.files\.ts$/ }, async () => {
      const names = await readdir(folder);
      const imports = names.map(
        (name, i) =>
          `import file${i} from ${JSON.stringify(join(folder, name))} with { type: "file" };`,
      );
      const entries = names.map((name, i) => `[${JSON.stringify(name)}, Bun.file(file${i})]`);
      const code = `export const playgroundFiles = () => new Map([${entries.join(", ")}]);`;
      return { contents: [...imports, code].join("\n"), loader: "js" };
    });
  },
});

const given = readArguments(process.argv.slice(2));
const system = process.platform === "win32" ? "windows" : process.platform;
const platform = given.target ?? `${system}-${process.arch}`;
if (!(platform in targets)) {
  fail(`unknown platform "${platform}"; there are: ${Object.keys(targets).join(", ")}`);
}
const suffix = platform.startsWith("windows") ? ".exe" : "";
const outfile = given.outfile
  ? resolve(given.outfile)
  : resolve(root, given.target ? `dist/rlexplore-${platform}${suffix}` : `rlexplore${suffix}`);

const start = performance.now();
await mkdir(resolve(outfile, ".."), { recursive: true });
// inline as they are, the source maps are written beside the executable as well: nobody needs them there
const scratch = await mkdtemp(resolve(outfile, "../.build-"));
const built = join(scratch, basename(outfile));
try {
  const page = join(scratch, "playground");
  await buildPlayground(page);
  const { logs } = await Bun.build({
    // a thread is a program of its own
    entrypoints: ["main.ts", "beyond/answers/worker.ts", "beyond/platform/watchdog-thread.ts"].map(
      (file) => resolve(root, file),
    ),
    // what a command imports when it runs is parsed only then: vega alone would cost every start 30 ms
    splitting: true,
    compile: {
      target: targets[platform],
      outfile: built,
      // What lies in the folder where the user works is data, not configuration of the program.
      autoloadBunfig: false,
      autoloadDotenv: false,
    },
    // Names stay, and lines are mapped, so that a stack trace in a bug report can be read.
    minify: { whitespace: true, syntax: true },
    sourcemap: "inline",
    plugins: [holding(page)],
  });
  for (const log of logs) console.error(String(log));
  await rename(built, outfile);
} catch (error) {
  const problems = error instanceof AggregateError ? error.errors : [error];
  await rm(scratch, { recursive: true });
  fail(problems.map(String).join("\n"));
}
await rm(scratch, { recursive: true });
const megabytes = ((await stat(outfile)).size / 1e6).toFixed(0);
const seconds = ((performance.now() - start) / 1000).toFixed(1);
console.log(`built ${relative(process.cwd(), outfile)} (${megabytes} MB) in ${seconds} s`);
