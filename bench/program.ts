import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Part } from "./harness.ts";
import type { Section } from "./tables.ts";

/** Builds the executable aside, weighs it, and times how soon it answers. */
export const programPart: Part = {
  about: "the executable: size, build, start",
  quick: true,
  run: async (bench) => bench.show(await programSection(bench.request)),
};

async function programSection(gpu: string | undefined): Promise<Section> {
  const folder = mkdtempSync(join(tmpdir(), "rlexplore-bench-"));
  const executable = join(folder, "rlexplore");
  const seconds = async (command: string[], tries: number) => {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < tries; i++) {
      const start = performance.now();
      const { exited } = Bun.spawn(command, { cwd: folder, stdout: "ignore", stderr: "inherit" });
      if ((await exited) !== 0) throw new Error(`${command.join(" ")} failed`);
      best = Math.min(best, (performance.now() - start) / 1000);
    }
    return best;
  };
  try {
    const build = join(import.meta.dir, "..", "scripts", "build.ts");
    const built = await seconds([process.execPath, build, `--outfile=${executable}`], 1);
    const adapter = gpu ? ["--gpu", gpu] : [];
    const question = [executable, "sample", "23+7-4+9=", ...adapter];
    return {
      title: "The executable",
      rows: [
        { name: "size", value: statSync(executable).size / 1e6, unit: "MB" },
        { name: "time to build", value: built, unit: "s" },
        {
          name: "rlexplore --version",
          value: await seconds([executable, "--version"], 5),
          unit: "s",
        },
        { name: "rlexplore sample, one completion", value: await seconds(question, 3), unit: "s" },
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
