/** The playground in a real browser. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { train } from "../../beyond/commands/train.ts";
import { trainSettings } from "../../beyond/settings/arguments.ts";
import type { Apart } from "../../playground/messages.ts";
import { FORMULAS } from "../../playground/page/formulas.ts";
import { Playground, until, whyNoBrowser } from "./browser.ts";

if (whyNoBrowser) console.log(`skipping the playground's page: ${whyNoBrowser}`);

const STEPS = 8;

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
    await page.evaluate(`app.change({ setup: { ...app.state.setup, evalSteps: ${STEPS} } })`);
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
      "examples/arithmetic.jsonl --limit 128 --learning-rate 2e-4 --explore ucb-con --gpu swiftshader --no-tune --quiet";
    const where = ["--max-steps", String(STEPS), "--output-dir", run];
    await train(trainSettings([...args.split(" "), ...where], neverResumed));
    const weights = readFileSync(join(run, `checkpoint-${STEPS}`, "model.safetensors"));
    expect(Buffer.from(String(base64), "base64").equals(weights)).toBe(true);
  });

  test("the last step is taken apart, down to the line of the source", async () => {
    const { page } = opened;
    await until(page, `app.state.apart?.step === ${STEPS}`);
    const apart = (await page.evaluate("app.state.apart")) as Apart;
    const mean = apart.completions.reduce((sum, { reward }) => sum + reward, 0) / 8;
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
});

const neverResumed = () => {
  throw new Error("no run is resumed");
};
