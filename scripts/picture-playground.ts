// Takes the pictures of the playground's page that docs/ shows, with the recorded run in it:
//   npm run playground:picture
// and with a folder, the page as it looks on narrow and wide screens, in light and dark:
//   npm run playground:picture -- <folder>
import { mkdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { Playground, until, whyNoBrowser } from "../tests/playground/browser.ts";

if (whyNoBrowser) throw new Error(whyNoBrowser);
const docs = resolve(import.meta.dir, "../docs/playground");
const [folder] = process.argv.slice(2);
const playground = await Playground.open();
try {
  const { page } = await playground.look();
  await page.setViewport({ width: 1280, height: 1000 });
  await until(page, "app.state.adapter");
  // what was recorded, heard as if it were trained now
  await page.evaluate(`
    fetch("recorded.json").then((response) => response.json()).then((recorded) => {
      for (const news of recorded) if (news.is !== "opened") app.hear(news);
      app.state.questions = [...recorded[0].questions];
      app.change({});
    })`);
  await until(page, "document.querySelectorAll('figure svg').length >= 8");
  await new Promise((done) => setTimeout(done, 1000));
  if (!folder) {
    mkdirSync(docs, { recursive: true });
    const path = join(docs, "page.png") as `${string}.png`;
    const places = await page.$$eval(".controls, .charts", (all) =>
      all.map((one) => one.getBoundingClientRect().toJSON()),
    );
    const [{ top: y }, { bottom }] = places as { top: number; bottom: number }[];
    const clip = { x: 0, y: y + 2, width: 1280, height: bottom - y + 12 };
    await page.screenshot({ path, clip });
    console.log(`wrote ${relative(process.cwd(), path)}`);
  } else {
    for (const width of [390, 1440]) {
      for (const value of ["light", "dark"]) {
        await page.setViewport({ width, height: 900 });
        await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
        const path = join(folder, `${width}-${value}.png`) as `${string}.png`;
        await page.screenshot({ path, fullPage: true });
      }
    }
  }
} finally {
  await playground.close();
}
