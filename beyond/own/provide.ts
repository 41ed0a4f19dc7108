import { plugin } from "bun";

/**
 * From now on `import ... from "rlexplore"` finds what is built in, in every file that is loaded: also in a folder
 * without packages, and by the executable. Nothing of it is read before the first such import.
 */
export function provideModule(): void {
  plugin({
    name: "rlexplore",
    setup(build) {
      build.module("rlexplore", async () => ({
        loader: "object",
        exports: { ...(await import("./module.ts")) },
      }));
    },
  });
}
