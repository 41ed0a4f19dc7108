import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { report } from "../../beyond/report/report.ts";
import { reportSettings, watchSettings } from "../../beyond/settings/arguments.ts";
import { LiveReport } from "../../beyond/watch/live-report.ts";
import { serve } from "../../beyond/watch/serve.ts";
import { Chromium, type Page, type Viewing } from "./chromium.ts";
import { makeRun, RunInTheMaking } from "./made-run.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-report-test-"));
const started = await Chromium.start();
const chromium = typeof started === "string" ? null : started;
if (!chromium) console.log(`skipping what needs a browser: ${started}`);

const METHODS = ["none", "ucb", "ucb-mean", "ucb-con", "batch", "ucb-con,batch"];
const grid = join(folder, "grid");

const printed = spyOn(console, "log");
beforeAll(() => {
  printed.mockImplementation(() => {});
  for (const [i, explore] of METHODS.entries()) {
    makeRun(join(grid, explore), { explore, seed: 1 + (i % 2) });
  }
});
afterAll(async () => {
  printed.mockRestore();
  await chromium?.stop();
  rmSync(folder, { recursive: true });
});

/** Writes a report and gives the page's path. */
async function write(...args: string[]): Promise<string> {
  const path = join(folder, `report-${Math.random()}.html`);
  await report(reportSettings([...args, "-o", path]));
  return path;
}

const CHARTS = [
  "pass-early",
  "pass-last",
  "sampling-solved",
  "sampling-distinct",
  "sampling-unsolved",
  "history-pass",
  "history-training",
  "history-distinct",
  ..."loss reward exploration entropy gradNorm learningRate distinct completionLength truncated noAnswer equalRewards samplingTokensPerSecond learningTokensPerSecond reward-correct reward-format"
    .split(" ")
    .map((metric) => `training-${metric}`),
];

/** The ids of figures that have a drawing with something in it, and a link to their data. */
const drawnFigures = (page: Page) =>
  page.evaluate<string[]>(`[...document.querySelectorAll("figure")]
    .filter((f) => f.querySelectorAll("svg path, svg line").length > 5 &&
      f.querySelector("a[download]").href.startsWith("data:text/csv"))
    .map((f) => f.id)`);

describe.skipIf(!chromium)("in a browser", () => {
  async function look(path: string, viewing?: Viewing): Promise<Page> {
    const page = await (chromium as Chromium).open(`file://${path}`, viewing);
    const asked = page.requests.filter((url) => !url.startsWith("data:"));
    expect({ errors: page.errors, asked }).toEqual({ errors: [], asked: [`file://${path}`] });
    return page;
  }

  test("six runs: every chart, in light and dark, narrow and wide, and on paper", async () => {
    const path = await write(grid);
    for (const viewing of [{ width: 400 }, { width: 1600, dark: true }]) {
      const page = await look(path, viewing);
      const figures = await drawnFigures(page);
      for (const chart of CHARTS) expect(figures).toContain(chart);
      // four telling questions, a map of each method
      expect(figures.filter((id) => id.startsWith("map-")).length).toBe(4 * METHODS.length);
      const overflow = await page.evaluate<number>(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      expect(overflow).toBe(0);
      const [paper, ink, label] = await page.evaluate<string[]>(`[
        getComputedStyle(document.body).backgroundColor,
        getComputedStyle(document.body).color,
        getComputedStyle(document.querySelector("#pass-last svg text")).fill]`);
      const brightness = (colour: string) => Number(colour.match(/\d+/)?.[0]);
      expect(brightness(paper) > 128).toBe(!viewing.dark);
      expect(brightness(ink) > 128).toBe(viewing.dark === true);
      expect(brightness(label) > 128).toBe(viewing.dark === true);
      // the values of a chart, by pointer and by keyboard
      const told = await page.evaluate<string[]>(`(() => {
        const svg = document.querySelector("#pass-last svg");
        const { left, width } = svg.getBoundingClientRect();
        const said = () => document.querySelector("#pass-last output").innerText.split("\\n");
        const at = { bubbles: true, clientX: left + 0.105 * width };
        svg.dispatchEvent(new PointerEvent("pointermove", at));
        const [first] = said();
        svg.focus();
        svg.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
        return [first, ...said(), String(document.activeElement === svg)];
      })()`);
      expect(told.slice(0, 2)).toEqual(["samples k 1", "samples k 2"]);
      expect(told.join(" ")).toMatch(/base 0\.\d+ .*ucb-con,batch 0\.\d+ true$/);
      if (viewing.dark) expect((await page.pdf()).subarray(0, 5).toString()).toBe("%PDF-");
      await page.close();
    }
  }, 60_000);

  test("a click on a cell shows the completions behind it", async () => {
    const page = await look(await write(join(grid, "none")));
    const click = (
      selector: string,
    ) => `(() => { const all = [...document.querySelectorAll('${selector}')];
      all.at(-1).dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true })); })()`;
    const shown = "[...document.querySelectorAll('.question')].map((q) => !q.hidden)";
    expect(await page.evaluate<boolean[]>(shown)).toEqual([true, false, false]);
    await page.evaluate(click(".tabs button"));
    expect(await page.evaluate<boolean[]>(shown)).toEqual([false, false, true]);
    await page.evaluate(click(".question:not([hidden]) svg a"));
    const text = await page.evaluate<string>(
      "document.querySelector('.cell:not([hidden])').innerText",
    );
    expect(text).toMatch(/step \d+/);
    expect(text).toContain("</script> it is ");
    expect(page.errors).toEqual([]);
    await page.close();
  }, 60_000);

  test("a run that has only begun is said in a line", async () => {
    const run = new RunInTheMaking(join(folder, "begun"), { evaluated: false });
    const begun = await look(await write(run.path));
    expect(await begun.evaluate<string>("document.body.innerText")).toContain("No step has been");
    expect(await drawnFigures(begun)).toEqual([]);
    run.close();
    await begun.close();
  }, 60_000);

  test("watch: the page follows the run", async () => {
    const run = new RunInTheMaking(join(folder, "live"), {
      explore: "ucb-con",
      settings: { maxSteps: 16 },
    });
    run.train(8);
    const live = new LiveReport(watchSettings([run.path]));
    await live.open();
    const server = serve(0, live);
    const page = await (chromium as Chromium).open(`http://127.0.0.1:${server.port}/`);
    const reached = (text: string) =>
      page.evaluate<boolean>(`(async () => {
        for (let i = 0; i < 100; i++) {
          if (document.body.innerText.includes(${JSON.stringify(text)})) return true;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        return false;
      })()`);
    expect(await reached("live")).toBe(true);
    expect(await reached("step 8 of 16")).toBe(true);
    expect(await drawnFigures(page)).not.toContain("pass-last");
    // completions are found, and stay while the run goes on
    const completions = (typed: string) =>
      page.evaluate<string>(`(async () => {
        const form = document.getElementById("search");
        form.elements.completion.value = ${JSON.stringify(typed)};
        form.requestSubmit();
        for (let i = 0; i < 100 && !/page|none/.test(found.textContent); i++) {
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        return found.textContent + document.getElementById("shown").innerText;
      })()`);
    expect(await reached("128 of 128 completions up to step 8; page 1 of 7")).toBe(true);
    expect(await completions("no such text")).toBe("none of 128 completions up to step 8");
    expect(await completions("IT IS")).toMatch(
      /step 8, question 4, sample 4[\s\S]*what is <\d+> & more/,
    );
    run.train(8);
    run.evaluate();
    await live.update(true);
    expect(await reached("After 16 steps")).toBe(true);
    expect(await drawnFigures(page)).toContain("pass-last");
    expect(page.errors).toEqual([]);
    await page.close();
    live.close();
    await server.stop();
    run.close();
  }, 60_000);
});

describe("report", () => {
  test("without runs writes nothing", async () => {
    const path = join(folder, "precious.html");
    writeFileSync(path, "precious");
    await expect(report(reportSettings(["-o", path]))).rejects.toThrow(/needs the folder of a run/);
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  test("a metrics file cut short still reports, and says so", async () => {
    const path = makeRun(join(folder, "cut"));
    const metrics = join(path, "metrics.jsonl");
    truncateSync(metrics, statSync(metrics).size - 10);
    writeFileSync(metrics, `${readFileSync(metrics, "utf8")}\n{"step": 3, "rew\n`);
    const page = readFileSync(await write(path), "utf8");
    expect(page).toContain("2 damaged lines of metrics left out");
    expect(page).toContain('id="training-reward"');
  });

  test("--charts writes charts as files with their own colours", async () => {
    const charts = join(folder, "charts");
    const some = ["--chart", "pass-last", "--chart", "map-q0-none"];
    await write(join(grid, "none"), "--charts", charts, ...some);
    expect(readdirSync(charts).sort()).toEqual(["map-q0-none.svg", "pass-last.svg"]);
    const unknown = write(join(grid, "none"), "--charts", charts, "--chart", "pass");
    await expect(unknown).rejects.toThrow(/--chart pass is none of pass-early, pass-last/);
    const svg = readFileSync(join(charts, "pass-last.svg"), "utf8");
    expect(svg).toStartWith("<svg ");
    expect(svg).toContain("prefers-color-scheme:dark");
    const used = new Set(svg.match(/var\(--\w+/g)?.map((name) => name.slice("var(".length)));
    for (const name of used) expect(svg).toContain(`${name}:`);
  });

  test("--question chooses the question; one that is not there is an error", async () => {
    const page = readFileSync(await write(join(grid, "none"), "--question", "<5>"), "utf8");
    expect(page).toContain("<h3>what is &lt;5&gt; &amp; more?</h3>");
    expect(page.match(/<div class="question map">/g)?.length).toBe(1);
    await expect(write(join(grid, "none"), "--question", "<99>")).rejects.toThrow(
      /is in no question/,
    );
    await expect(write(join(grid, "none"), "--question", "what")).rejects.toThrow(
      /is in 24 questions/,
    );
    await expect(write(join(folder, "charts"))).rejects.toThrow(/is not a run and has none in it/);
  });
});
