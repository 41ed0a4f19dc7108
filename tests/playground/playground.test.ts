/** The playground in a real browser. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SerializedAXNode } from "puppeteer-core";
import { train } from "../../beyond/commands/train.ts";
import { trainSettings } from "../../beyond/settings/arguments.ts";
import type { Apart } from "../../playground/messages.ts";
import { FORMULAS } from "../../playground/page/formulas.ts";
import { Playground, until, whyNoBrowser } from "./browser.ts";

if (whyNoBrowser) console.log(`skipping the playground's page: ${whyNoBrowser}`);

const STEPS = 8;
/** Of each question, four of which make a step. */
const COMPLETIONS = 4;

describe.skipIf(whyNoBrowser !== null)("the playground in Chromium", () => {
  let playground: Playground;
  let opened: Awaited<ReturnType<Playground["look"]>>;
  const folder = mkdtempSync(join(tmpdir(), "rlexplore-playground-test-"));

  beforeAll(async () => {
    playground = await Playground.open();
    opened = await playground.look();
    await until(opened.page, "app.state.adapter || app.state.problem");
  }, 120_000);

  afterAll(async () => {
    await playground?.close();
    rmSync(folder, { recursive: true });
  });

  test("loads less than 3 MB, all of it from its own place", () => {
    const sizes = readdirSync(playground.folder).map(
      (name) => statSync(join(playground.folder, name)).size,
    );
    expect(sizes.reduce((a, b) => a + b)).toBeLessThan(3e6);
    const elsewhere = opened.requests.filter(
      (url) => !/^(?:http:\/\/127\.0\.0\.1:|data:|blob:)/.test(url),
    );
    expect(elsewhere).toEqual([]);
  });

  test("trains at a click, and stops at another with both sides at the same step", async () => {
    const { page } = opened;
    // a software adapter is SwiftShader, which is the executable's too
    expect(await page.evaluate("app.state.adapter")).toEqual({
      name: "SwiftShader",
      isSoftware: true,
    });
    const small = { evalSteps: STEPS, promptsPerStep: 4, numGenerations: COMPLETIONS };
    await page.evaluate(
      `app.change({ setup: { ...app.state.setup, ...${JSON.stringify(small)} } })`,
    );
    await page.click("button.main");
    await until(page, "app.state.sides[1].steps.length >= 1 || app.state.problem");
    await page.click("button.main");
    await until(page, "!app.state.running && app.state.apart");
    const [left, right] = await stepsDone();
    expect(left).toBe(right);
    expect(left).toBeLessThan(STEPS);
  });

  const stepsDone = () =>
    opened.page.evaluate("app.state.sides.map(({ steps }) => steps.length)") as Promise<number[]>;

  test(`${STEPS} steps give the executable's weights, byte for byte`, async () => {
    const { page } = opened;
    const [done] = await stepsDone();
    await page.evaluate(`for (let i = ${done}; i < ${STEPS}; i++) app.step()`);
    await page.evaluate("app.ask({ do: 'export', side: 1 })");
    await until(page, "app.state.exported");
    expect(await page.evaluate("app.state.problem")).toBeNull();
    const base64 = await page.evaluate(
      `new Promise((done) => { const reader = new FileReader();
        reader.onload = () => done(reader.result.split(",")[1]);
        reader.readAsDataURL(new Blob([app.state.exported.bytes])); })`,
    );
    const run = join(folder, "run");
    const args =
      "examples/arithmetic.jsonl --prompts-per-step 4 --num-generations 4 --learning-rate 1e-4 --explore batch --explore-coef 0.8 --gpu swiftshader --no-tune --quiet";
    const where = ["--max-steps", String(STEPS), "--output-dir", run];
    await train(trainSettings([...args.split(" "), ...where], neverResumed));
    const weights = readFileSync(join(run, `checkpoint-${STEPS}`, "model.safetensors"));
    expect(Buffer.from(String(base64), "base64").equals(weights)).toBe(true);
  });

  test("the last step is taken apart, down to the line of the source", async () => {
    const { page } = opened;
    await until(page, `app.state.apart?.step === ${STEPS}`);
    const apart = (await page.evaluate("app.state.apart")) as Apart;
    const mean = apart.completions.reduce((sum, { reward }) => sum + reward, 0) / COMPLETIONS;
    const isSolved = apart.completions.every(({ correct }) => correct);
    for (const [i, one] of apart.completions.entries()) {
      expect(one.advantage).toBeCloseTo(one.reward - mean, 12);
      expect(one.bonus).toBeCloseTo(Math.min(1, 1 / Math.sqrt(one.count)), 12);
      const [{ coefficient, signal }] = apart.terms;
      expect(one.exploration).toBeCloseTo(isSolved ? 0 : coefficient * signal[i], 12);
      expect(one.after).not.toEqual(one.before);
      expect(one.tokens.length).toBe(one.after.length);
    }
    const shown = await page.$$eval(".apart tbody tr", (rows) => rows.length);
    expect(shown).toBe(apart.completions.length);
    await page.click(".formulas button");
    const marked = await page.$eval("dialog mark", (mark) => mark.textContent);
    expect(marked).toBe(FORMULAS.token.line);
    await page.click("dialog button");
  });

  test("a question of one's own is asked of all three; what is none is refused in a sentence", async () => {
    const { page } = opened;
    await type("#ask ~ form input", "23+7-4+9");
    await page.click("#ask ~ form button");
    await until(page, "app.state.asked");
    const told = await page.$$eval("table.said", (tables) =>
      tables.map((table) =>
        [...table.querySelectorAll("td:nth-of-type(1)")].reduce(
          (n, td) => n + Number(td.textContent),
          0,
        ),
      ),
    );
    expect(told).toEqual([32, 32, 32]);
    await type("#ask ~ form input", "why?");
    await page.click("#ask ~ form button");
    await until(page, "app.state.problem");
    expect(await page.$eval(".problem", ({ textContent }) => textContent)).toMatch(
      /“why\?” is no sum/,
    );
    expect(await page.evaluate("app.state.problem.isFatal")).toBe(false);
  });

  const type = async (field: string, text: string) => {
    await opened.page.click(field, { count: 3 });
    await opened.page.type(field, text);
  };

  test("the treasure map of a question shows the completions behind a dot", async () => {
    const { page } = opened;
    await until(page, "document.querySelectorAll('.map svg a').length > 0");
    await page.evaluate("document.querySelector('.map svg a').focus()");
    await page.keyboard.press("Enter");
    await until(page, "document.querySelector('.map .cell pre')");
    const title = await page.$eval(".map .cell h3", ({ textContent }) => textContent);
    expect(title).toMatch(/^(?:none|batch): .*, step \d$/);
  });

  test("a run is kept, and goes on after the page was loaded anew", async () => {
    const { page } = opened;
    await until(page, `app.state.runs?.[0]?.step === ${STEPS}`);
    const shown = "JSON.stringify([app.state.base, app.state.sides])";
    const before = await page.evaluate(shown);
    await page.reload();
    await until(page, "app.state.adapter && app.state.runs?.length");
    await page.click(".actions button");
    await until(page, "app.state.begun");
    expect(await page.evaluate(shown)).toBe(before);
    await page.evaluate("app.step()");
    await until(page, `app.state.apart?.step === ${STEPS + 1}`);
    expect(await page.evaluate("app.state.problem")).toBeNull();
  });

  test("a run belongs to one tab; where a tab was left, it says how far training went", async () => {
    const { page } = opened;
    await page.evaluate("app.run()");
    await until(page, "app.state.running");
    const other = await playground.look();
    await until(other.page, "app.state.note && app.state.runs?.length && app.state.adapter");
    expect(await other.page.evaluate("app.state.note")).toMatch(/open in another tab as well/);
    await other.page.evaluate("app.open(app.state.runs[0].id)");
    await until(other.page, "app.state.problem");
    expect(await other.page.evaluate("app.state.problem.message")).toMatch(
      /is open in another tab/,
    );
    await until(page, `app.state.sides[1].steps.length > ${STEPS + 1}`);
    await other.page.close();
    await page.bringToFront();
    await until(page, "app.state.note");
    expect(await page.evaluate("app.state.note")).toMatch(
      /While this tab was hidden, .* step 9 to/,
    );
    await page.evaluate("app.pause()");
    await until(page, "!app.state.running && app.state.runs[0].step === app.state.apart?.step");
  });

  test("a lost GPU is opened again, and training is back where it was kept", async () => {
    const { page } = opened;
    const [worker] = page.workers().filter((one) => one.url().endsWith("trainer.js"));
    await worker.evaluate("session.then((one) => one.workshop.gpu.device.destroy())");
    await page.evaluate("app.step()");
    await until(page, "app.state.note.includes('is back at step')");
    const note = String(await page.evaluate("app.state.note"));
    expect(note).toMatch(/the GPU was lost/);
    // a step that was on its way when training was paused may have been kept since
    const [, step] = /back at step (\d+)/.exec(note) ?? [];
    await until(page, "app.state.begun && app.state.adapter && !app.state.activity");
    await page.evaluate("app.state.apart = null; app.step()");
    await until(page, `app.state.apart?.step === ${Number(step) + 1}`);
  });

  test("a bonus that never ends is ended, and training is back with the run it had", async () => {
    const { page } = opened;
    await page.evaluate(`
      const { run, setup } = app.state;
      const own = { ...setup.methods[1], explore: "own", code: "for (;;);", coefficients: [1] };
      globalThis.before = { run, setup, setTimeout };
      setTimeout = (work, ms) => before.setTimeout.call(globalThis, work, Math.min(ms, 300));
      app.change({ note: "", setup: { ...setup, methods: [setup.methods[0], own] } });
      app.restart();
    `);
    await until(page, "app.state.note.includes('is back at step')");
    expect(await page.evaluate("app.state.note")).toMatch(/your bonus did not end within 5 s/);
    await page.evaluate("setTimeout = before.setTimeout; app.change({ setup: before.setup });");
    await until(page, "app.state.begun && app.state.adapter && !app.state.activity");
    expect(await page.evaluate("app.state.run === before.run")).toBe(true);
    await page.click(".told button");
    await until(page, "!document.querySelector('.problem')");
  });

  test("where there is no room, training goes on and says so", async () => {
    const { page } = opened;
    // Chromium's own way to set a quota has no effect on a page without a profile
    await page.evaluate(`
      const { put } = IDBObjectStore.prototype;
      IDBObjectStore.prototype.put = () => { throw new DOMException("full", "QuotaExceededError"); };
      globalThis.makeRoom = () => { IDBObjectStore.prototype.put = put; };
    `);
    await page.evaluate("app.step()");
    await until(page, "app.state.problem");
    expect(await page.evaluate("app.state.problem")).toEqual({
      message: expect.stringMatching(/no room left for this run.*delete one below/),
      isFatal: false,
    });
    await page.evaluate("makeRoom()");
    await page.evaluate("app.step()");
    await until(page, "app.state.runs[0].step === app.state.apart?.step && !app.state.problem");
  });

  test("the charts are drawn, in light and dark, and fit narrow screens", async () => {
    const { page, errors } = opened;
    await until(page, "document.querySelectorAll('figure svg').length >= 6");
    for (const width of [390, 1440]) {
      await page.setViewport({ width, height: 900 });
      const overflow =
        "document.documentElement.scrollWidth - document.documentElement.clientWidth";
      expect(await page.evaluate(overflow)).toBe(0);
    }
    const paper = "getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] > 128";
    for (const value of ["light", "dark"]) {
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
      expect(await page.evaluate(paper)).toBe(value === "light");
    }
    expect(errors).toEqual([]);
  });

  test("shows a run of the executable that is given to it, and a report", async () => {
    const { page } = opened;
    await drop(join(folder, "run"));
    await until(page, "document.querySelectorAll('#opened-map ~ .charts svg').length === 1");
    const notes = await page.$$eval(".note", (all) => all.map(({ textContent }) => textContent));
    expect(notes.filter((note) => note?.startsWith("run: "))).toEqual([
      "run: Its checkpoints are not opened: rlexplore sample and rlexplore chat do that.",
    ]);
    expect(await page.$$eval("#opened-distinct svg", (svgs) => svgs.length)).toBe(1);
    const report = join(folder, "report.html");
    writeFileSync(report, "<body><h1>A report</h1><script>fetch('/x')</script></body>");
    await drop(report);
    await page.waitForSelector("iframe");
    const frame = await (await page.$("iframe"))?.contentFrame();
    expect(await frame?.$eval("h1", ({ textContent }) => textContent)).toBe("A report");
    await page.evaluate("app.change({ opened: null })");
    // which the report was not let
    expect(opened.errors.splice(0).join()).toMatch(/Content Security Policy/);
    expect(opened.requests.filter((url) => url.endsWith("/x"))).toEqual([]);
  });

  /** As a visitor drops a file, or a folder. */
  const drop = async (path: string) => {
    const session = await opened.page.createCDPSession();
    const data = { items: [], files: [path], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"] as const) {
      await session.send("Input.dispatchDragEvent", { type, x: 200, y: 200, data });
    }
  };

  test("all that can be used has a name, which a screen reader tells", async () => {
    const { page } = opened;
    await page.$$eval("details", (all) => {
      for (const one of all) one.setAttribute("open", "");
    });
    const found: { role: string; name?: string }[] = [];
    const look = (node: SerializedAXNode) => {
      found.push(node);
      node.children?.forEach(look);
    };
    look((await page.accessibility.snapshot()) as SerializedAXNode);
    const used = found.filter(({ role }) =>
      /^(?:button|link|textbox|slider|combobox|spinbutton)$/.test(role),
    );
    expect(used.length).toBeGreaterThan(15);
    expect(used.filter(({ name }) => !name)).toEqual([]);
  });

  test("without WebGPU it says who has it, and shows a recorded run", async () => {
    const { page, errors } = await playground.look("delete Navigator.prototype.gpu");
    await until(
      page,
      "app.state.isRecorded && document.querySelectorAll('figure svg').length >= 8",
    );
    expect(await page.$eval(".problem", ({ textContent }) => textContent)).toMatch(
      /^This browser has no WebGPU.*Firefox.*What follows was recorded on \S+/,
    );
    // a step taken apart too, on either side
    await page.click("#apart ~ .choose button");
    expect(await page.$$eval(".apart tbody tr", (rows) => rows.length)).toBe(8);
    expect(await page.$$eval("button.main", (buttons) => buttons.length)).toBe(0);
    expect(errors).toEqual([]);
    await page.close();
  });

  test("opens without a network once it was loaded", async () => {
    const { page } = opened;
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)");
    await playground.goOffline();
    await page.reload();
    await until(page, "app.state.adapter && app.state.runs?.length");
    expect(await page.evaluate("app.state.problem")).toBeNull();
  });
});

const neverResumed = () => {
  throw new Error("no run is resumed");
};
