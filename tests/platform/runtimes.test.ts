/** Bun, Deno and the browser give what they must, and nothing else is asked of them. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type {
  AssetPlatform,
  FilePlatform,
  GpuPlatform,
  HashPlatform,
  ModulePlatform,
  NativePlatform,
  ProcessPlatform,
  ServerPlatform,
  ThreadPlatform,
  WatchdogPlatform,
} from "../../beyond/platform/runtime.ts";
import { codeIn } from "../../scripts/modules.ts";

// the compiler sees to these
const gives = <_Given extends Needed, Needed>() => {};
gives<typeof import("../../beyond/platform/bun/assets.ts"), AssetPlatform>();
gives<typeof import("../../beyond/platform/deno/assets.ts"), AssetPlatform>();
gives<typeof import("../../beyond/platform/bun/files.ts"), FilePlatform>();
gives<typeof import("../../beyond/platform/deno/files.ts"), FilePlatform>();
gives<typeof import("../../beyond/platform/bun/gpu.ts"), GpuPlatform>();
gives<typeof import("../../beyond/platform/deno/gpu.ts"), GpuPlatform>();
gives<typeof import("../../beyond/platform/browser/gpu.ts"), GpuPlatform>();
gives<typeof import("../../beyond/platform/bun/hash.ts"), HashPlatform>();
gives<typeof import("../../beyond/platform/deno/hash.ts"), HashPlatform>();
gives<typeof import("../../beyond/platform/bun/modules.ts"), ModulePlatform>();
gives<typeof import("../../beyond/platform/deno/modules.ts"), ModulePlatform>();
gives<typeof import("../../beyond/platform/bun/native.ts"), NativePlatform>();
gives<typeof import("../../beyond/platform/deno/native.ts"), NativePlatform>();
gives<typeof import("../../beyond/platform/bun/process.ts"), ProcessPlatform>();
gives<typeof import("../../beyond/platform/deno/process.ts"), ProcessPlatform>();
gives<typeof import("../../beyond/platform/bun/server.ts"), ServerPlatform>();
gives<typeof import("../../beyond/platform/deno/server.ts"), ServerPlatform>();
gives<typeof import("../../beyond/platform/bun/thread.ts"), ThreadPlatform>();
gives<typeof import("../../beyond/platform/bun/watchdog.ts"), WatchdogPlatform>();
gives<typeof import("../../beyond/platform/deno/watchdog.ts"), WatchdogPlatform>();
gives<typeof import("../../beyond/platform/browser/watchdog.ts"), WatchdogPlatform>();
gives<typeof import("../../beyond/platform/deno/thread.ts"), ThreadPlatform>();

const root = resolve(import.meta.dir, "../..");
const core = codeIn("lib").filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"));

const BUN = /^bun(?::|$)/;
/** Modules that are no files. */
const OF_RUNTIMES = /^(?:bun|node|deno)(?::|$)/;

/** What a bundle for a runtime takes in that it must not. */
async function foreign(
  entries: readonly string[],
  runtime: "browser" | "bun" | "deno",
  forbidden: RegExp,
) {
  const found = new Set<string>();
  const plugin: Bun.BunPlugin = {
    name: "no forbidden import",
    setup(build) {
      build.onResolve({ filter: OF_RUNTIMES }, ({ path, importer }) => {
        if (forbidden.test(path)) found.add(`${importer.slice(root.length + 1)} takes in ${path}`);
        return { path, external: true };
      });
    },
  };
  await Bun.build({
    entrypoints: entries.map((file) => join(root, file)),
    target: "browser",
    conditions: [runtime],
    plugins: [plugin],
    external: ["*.node"],
  });
  return [...found];
}

const GPU = "beyond/platform/gpu.ts";

test("the core can be bundled for a page, and for any runtime", async () => {
  for (const runtime of ["browser", "bun", "deno"] as const) {
    expect(await foreign(core, runtime, OF_RUNTIMES)).toEqual([]);
  }
});

test("a GPU of any runtime is opened with what the runtime has", async () => {
  expect(await foreign([GPU], "browser", OF_RUNTIMES)).toEqual([]);
  expect(await foreign(["main.ts", "beyond/answers/worker.ts"], "deno", BUN)).toEqual([]);
  // which this would see
  expect(await foreign([GPU], "bun", BUN)).toEqual([
    "beyond/platform/bun/native.ts takes in bun:ffi",
  ]);
});

test("what only one runtime has is used in its folder alone", () => {
  const own = /\bBun\.|"bun:|from "bun"|\bDeno\.|[^`]\bnavigator\b/;
  const elsewhere = [...codeIn("lib", "beyond"), "main.ts"].filter(
    (file) => !/^beyond\/platform\/(?:bun|deno|browser|own-gpu)\b/.test(file),
  );
  const using = elsewhere.filter((file) => own.test(readFileSync(join(root, file), "utf8")));
  expect(using).toEqual([]);
});
