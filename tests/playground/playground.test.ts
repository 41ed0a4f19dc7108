/** The playground in a real browser. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { train } from "../../beyond/commands/train.ts";
import { trainSettings } from "../../beyond/settings/arguments.ts";
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

  test(`${STEPS} steps give the executable's weights byte for byte, and steps stop at a pause`, async () => {
    const { page, errors } = opened;
    // a software adapter is SwiftShader, which is the executable's too
    expect(await page.evaluate("app.state.adapter")).toEqual({
      name: "SwiftShader",
      isSoftware: true,
    });
    await page.evaluate(`app.change({ setup: { ...app.state.setup, evalSteps: 0 } }); app.run()`);
    await until(page, "app.state.sides[1].steps.length >= 2 || app.state.problem");
    await page.evaluate("app.pause()");
    await until(page, "!app.state.running");
    const seen = "app.state.sides.map(({ steps }) => steps.length)";
    await page.evaluate("app.ask({ do: 'export', side: 1 })");
    await until(page, "app.state.exported");
    const [left, right] = (await page.evaluate(seen)) as number[];
    expect(left).toBe(right);
    await page.evaluate(`for (let i = ${left}; i < ${STEPS}; i++) app.step()`);
    await page.evaluate("app.state.exported = null; app.ask({ do: 'export', side: 1 })");
    await until(page, "app.state.exported");
    expect(await page.evaluate("app.state.problem")).toBeNull();
    const bytes = await page.evaluate(
      `new Promise((done) => { const reader = new FileReader();
        reader.onload = () => done(reader.result.split(",")[1]);
        reader.readAsDataURL(new Blob([app.state.exported.bytes])); })`,
    );
    const run = join(folder, "run");
    const args = "examples/arithmetic.jsonl --gpu swiftshader --explore ucb-con --quiet --no-tune";
    await train(
      trainSettings([...args.split(" "), "--max-steps", String(STEPS), "--output-dir", run], () => {
        throw new Error("no run is resumed");
      }),
    );
    const weights = readFileSync(join(run, `checkpoint-${STEPS}`, "model.safetensors"));
    expect(Buffer.from(String(bytes), "base64").equals(weights)).toBe(true);
    expect(errors).toEqual([]);
  }, 300_000);
});
