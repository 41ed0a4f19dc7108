import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { getPriority, setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { Playground, until, whyNoBrowser } from "../tests/playground/browser.ts";
import type { Part } from "./harness.ts";

const root = join(import.meta.dir, "..");

/** Steps of a round of the race, which follow on one that compiles. */
const STEPS = 6;
const ROUNDS = 3;

export type Page = Awaited<ReturnType<Playground["look"]>>["page"];

/** The page in Chromium beside the executable, both on SwiftShader. */
export const playgroundPart: Part = {
  about: "the playground in Chromium: its first load and step, its speed beside the executable's",
  async run(bench) {
    await withPage(async (playground, page, requests) => {
      const bytes = requests.reduce((sum, url) => sum + sizeOf(playground, url), 0);
      const opened = performance.now();
      await page.evaluate(
        "app.change({ setup: { ...app.state.setup, evalSteps: 0 } }); app.step()",
      );
      await until(page, "app.state.sides[0].steps.length > 0");
      const firstStep = (performance.now() - opened) / 1000;
      await until(page, "app.state.apart");
      const ratios: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const ours = await executableSteps();
        levelPriorities(playground);
        ratios.push(ours / (await pageSteps(page)));
      }
      bench.show({
        title: "The playground beside the executable, both on SwiftShader",
        rows: [
          { name: "first load", value: bytes / 1e6, unit: "MB" },
          { name: "from the click to the end of the first step", value: firstStep, unit: "s" },
          { name: "speed of a step over the executable's", value: median(ratios), unit: "times" },
        ],
      });
    });
  },
};

/** Opens the page, does `work` with it, and closes the browser. */
export async function withPage(
  work: (playground: Playground, page: Page, requests: string[]) => Promise<void>,
): Promise<void> {
  if (whyNoBrowser) throw new UserError(whyNoBrowser);
  const playground = await Playground.open();
  try {
    const { page, requests } = await playground.look();
    await until(page, "app.state.adapter");
    await work(playground, page, requests);
  } finally {
    await playground.close();
  }
}

const sizeOf = ({ folder }: Playground, url: string) =>
  /^http/.test(url)
    ? statSync(join(folder, new URL(url).pathname.slice(1) || "index.html")).size
    : 0;

/** Chromium puts its GPU process before others, which on a busy machine would be no race: they are made equal. */
function levelPriorities(playground: Playground): void {
  for (const pid of playground.processes()) {
    for (const thread of readdirSync(`/proc/${pid}/task`))
      setPriority(Number(thread), getPriority());
  }
}

/** Seconds of a step of the executable, the median. */
async function executableSteps(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "rlexplore-bench-"));
  const run = join(folder, "run");
  const flags =
    "examples/arithmetic.jsonl --learning-rate 1e-4 --explore none --gpu swiftshader --no-tune --quiet";
  const where = ["--max-steps", String(STEPS + 1), "--output-dir", run];
  const command = [process.execPath, "main.ts", "train", ...flags.split(" "), ...where];
  try {
    const { exited } = Bun.spawn(command, { cwd: root, stdout: "ignore", stderr: "inherit" });
    if ((await exited) !== 0) throw new Error(`${command.join(" ")} failed`);
    const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trim().split("\n");
    const steps = lines.map((line) => JSON.parse(line)).filter(({ loss }) => loss !== undefined);
    return median(steps.slice(1).map(({ seconds }) => seconds));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Seconds of a step of the page, the median of its left side, which begins anew. */
async function pageSteps(page: Page): Promise<number> {
  await page.evaluate(`app.restart(); for (let i = 0; i <= ${STEPS}; i++) app.step()`);
  await until(page, `app.state.apart?.step === ${STEPS + 1}`);
  const steps = (await page.evaluate("app.state.sides[0].steps")) as { seconds: number }[];
  return median(steps.slice(1).map(({ seconds }) => seconds));
}

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
