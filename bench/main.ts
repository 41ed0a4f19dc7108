// Measures rlexplore on this machine. Nothing here is a test: figures depend on the machine.
//   npm run bench                    ceilings, kernels, a training step, the executable
//   npm run bench -- --json          and bench/results/<date>-<adapter>.json
//   npm run bench -- --gpu <name>    on this adapter
//   npm run bench -- --long          and whether 320 steps slow down
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Gpu } from "../lib/gpu/device.ts";
import { openEmbeddedModel } from "../lib/model/embedded.ts";
import { hasHalves } from "../lib/model/precision.ts";
import { versions } from "../lib/run/versions.ts";
import { printSection, type Section } from "./figures.ts";
import {
  attentionSection,
  ceilingSection,
  formatSection,
  matmulKernelSection,
  matmulSection,
} from "./kernels.ts";
import { programSection } from "./program.ts";
import { longRunSection, stepSection } from "./training.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    long: { type: "boolean", default: false },
    gpu: { type: "string" },
  },
});

const gpu = await Gpu.open(options.gpu);
const { config } = await openEmbeddedModel({ weights: false });
const date = new Date().toISOString().slice(0, 10);
const machine = `${cpus().length} x ${cpus()[0]?.model.trim()}`;
const { rlexplore, bun, webgpu, platform } = versions();
console.log(
  `rlexplore ${rlexplore}, bun ${bun}, webgpu ${webgpu}, ${platform}, ${machine}, ${date}`,
);
console.log(`${gpu.found.name}; ${gpu.found.driver}`);

const sections: Section[] = [];
const show = (section: Section) => {
  printSection(section);
  sections.push(section);
};
const [ceilings, measured] = await ceilingSection(gpu);
show(ceilings);
show(await matmulSection(gpu, config, measured));
if (hasHalves(gpu)) show(await matmulSection(gpu, config, measured, "f16"));
show(await matmulKernelSection(gpu));
show(await formatSection(gpu));
show(await attentionSection(gpu, config, measured));
const { name, driver, kind } = gpu.found;
gpu.destroy();
show(await stepSection(options.gpu));
if (options.long) show(await longRunSection(options.gpu));
show(await programSection(options.gpu));

if (options.json) {
  const folder = join(import.meta.dir, "results");
  mkdirSync(folder, { recursive: true });
  const slug = name.toLowerCase().match(/[a-z0-9]+/)?.[0];
  const path = join(folder, `${date}-${slug}.json`);
  const adapter = { name, driver, kind };
  const content = { date, versions: versions(), machine, adapter, sections };
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`);
  console.log(`\nwrote ${path}`);
}
