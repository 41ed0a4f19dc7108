/** Builds the playground: a folder of files for any web host. */
import { copyFile, mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { themeCss } from "../beyond/report/theme.ts";
import { TEXTS, WEIGHTS } from "./model-files.ts";
import { SOURCE_FILES } from "./page/formulas.ts";

const root = resolve(import.meta.dir, "..");
const here = (name: string) => join(import.meta.dir, name);

/** Files that are taken as they are. */
const ASIDE = [
  here("index.html"),
  here("recorded.json"),
  ...[WEIGHTS, ...TEXTS].map((name) => join(root, "models/base", name)),
];

/** Writes the page into `folder`, which is emptied first. @throws AggregateError with what does not compile */
export async function buildPlayground(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await Bun.build({
    entrypoints: [
      "page/page.tsx",
      "trainer/trainer.ts",
      "charts/charts.ts",
      "opener/opener.ts",
      "offline.ts",
    ].map(here),
    outdir: folder,
    naming: { entry: "[name].js", asset: "[name].[ext]" },
    target: "browser",
    minify: true,
    define: { "process.env": "{}" },
  });
  const sources = SOURCE_FILES.map(async (file) => [file, await Bun.file(join(root, file)).text()]);
  const texts = Object.fromEntries(await Promise.all(sources));
  await Bun.write(join(folder, "sources.json"), JSON.stringify(texts));
  const css = [join(root, "beyond/report/page.css"), here("style.css")];
  const styles = await Promise.all(css.map((file) => Bun.file(file).text()));
  await Bun.write(join(folder, "style.css"), [themeCss(), ...styles].join("\n"));
  for (const file of ASIDE)
    await copyFile(file, join(folder, file.slice(file.lastIndexOf("/") + 1)));
}
