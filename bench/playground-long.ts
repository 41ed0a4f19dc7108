import type { Playground } from "../tests/playground/browser.ts";
import { until } from "../tests/playground/browser.ts";
import type { Part } from "./harness.ts";
import { type Page, withPage } from "./playground.ts";

/** Small steps after which memory is looked at: when all is warm, and much later. */
const EARLY = 100;
const LATE = 500;
/** Steps that are looked at closely. */
const TRACED = 10;
const SMALL = { promptsPerStep: 1, numGenerations: 4, evalSteps: 0 };

/** What the page takes over a long run. */
export const playgroundLongPart: Part = {
  about: "the playground in Chromium: its memory over 500 steps, and how long a click waits",
  async run(bench) {
    await withPage(async (playground, page) => {
      const title = "The playground over a long run, on SwiftShader";
      bench.show({ title, rows: await longRun(playground, page) });
    });
  },
};

async function longRun(playground: Playground, page: Page) {
  await page.evaluate(`
    app.change({ setup: { ...app.state.setup, ...${JSON.stringify(SMALL)} } });
    app.restart();
    app.run();
  `);
  const memory: number[] = [];
  for (let step = EARLY; step <= LATE; step += EARLY) {
    await until(page, `app.state.sides[1].steps.length >= ${step}`, 900);
    memory.push(playground.residentBytes() / 2 ** 20);
    // on a busy machine it takes long: what was seen is worth something if it is cut short
    console.log(`step ${step}: ${memory.at(-1)?.toFixed(0)} MiB`);
  }
  const small = await longestWork(page);
  await page.evaluate(`(${pretend})(${LATE})`);
  const long = await longestWork(page);
  await page.evaluate("app.pause()");
  return [
    {
      name: `memory after ${EARLY} steps, all of Chromium's processes`,
      value: memory[0],
      unit: "MiB",
    },
    { name: `memory after ${LATE} steps`, value: memory.at(-1) ?? Number.NaN, unit: "MiB" },
    { name: "longest work of the page's own thread, processor time", value: small, unit: "ms" },
    { name: `the same after ${LATE} steps of the default size`, value: long, unit: "ms" },
  ];
}

/**
 * The longest task of the thread that answers clicks, while a few steps are trained and the run is kept. Its processor
 * time: on a machine that others use too, the clock tells of them.
 */
async function longestWork(page: Page): Promise<number> {
  const last = "app.state.sides[1].steps.at(-1).step";
  const step = Math.floor(Number(await page.evaluate(last)));
  const categories = ["-*", "devtools.timeline", "disabled-by-default-devtools.timeline"];
  await page.tracing.start({ categories });
  await until(page, `${last} >= ${step + TRACED}`, 300);
  await page.evaluate("app.ask({ do: 'keep' })");
  await until(page, `app.state.runs?.[0]?.step >= ${step + TRACED}`, 300);
  const trace = Buffer.from((await page.tracing.stop()) ?? []).toString();
  const { traceEvents } = JSON.parse(trace) as { traceEvents: TraceEvent[] };
  const isMain = ({ name, args }: TraceEvent) =>
    name === "thread_name" && args.name === "CrRendererMain";
  const threads = traceEvents.filter(isMain).map(threadOf);
  const tasks = traceEvents.filter(({ name }) => name === "RunTask");
  const ofPages = tasks.filter((task) => threads.includes(threadOf(task)));
  return Math.max(...ofPages.map(({ tdur = 0 }) => tdur)) / 1000;
}

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  args: { name?: string };
  /** Microseconds of processor time. */
  tdur?: number;
}

const threadOf = ({ pid, tid }: TraceEvent) => `${pid}/${tid}`;

/** In the page: tells it of so many steps of the default size more, as its thread would. */
const pretend = `(count) => {
  const { questions, sides } = app.state;
  const { step, ...figures } = sides[1].steps.at(-1);
  const ask = app.ask;
  app.ask = () => {};
  for (let i = 0; i < count; i++) {
    const groups = Array.from({ length: 16 }, (_, g) => {
      const { text: question, gold } = questions[(16 * i + g) % 128];
      const outcomes = Array.from({ length: 8 }, () => String(Math.floor(100 * Math.random() ** 3)));
      const texts = outcomes.map((outcome) => "30,26,35#" + outcome);
      return { question, texts, outcomes, correct: outcomes.map((outcome) => outcome === gold) };
    });
    // between the step it is at and the one that comes
    const between = step + (i + 1) / (count + 1);
    for (const side of [0, 1]) app.hear({ is: "step", side, step: between, figures, groups });
  }
  app.ask = ask;
}`;
