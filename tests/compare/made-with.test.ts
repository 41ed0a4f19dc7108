import { afterAll, beforeEach, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readExperiment } from "../../beyond/compare/experiment.ts";
import { requireSame } from "../../beyond/compare/made-with.ts";
import { openNamedModel } from "../../beyond/opening/named-model.ts";
import { readData } from "../../beyond/opening/questions.ts";
import { RunFolder } from "../../beyond/runs/folder.ts";
import { type Origins, originsFrom, originsOf, ownHashes } from "../../beyond/runs/origins.ts";
import { storedSettings } from "../../beyond/settings/stored.ts";
import type { TrainSettings } from "../../beyond/settings/training.ts";

const root = mkdtempSync(join(tmpdir(), "rlexplore-made-with-"));
afterAll(() => rmSync(root, { recursive: true }));
const at = (name: string) => join(root, name);
const own = (weight: number) =>
  writeFileSync(
    at("mine.ts"),
    `export default { name: "mine", signal: ({ counts }) => counts.map((n) => ${weight} * n) }`,
  );

beforeEach(() => {
  rmSync(at("run"), { recursive: true, force: true });
  own(1);
  writeFileSync(at("rows.jsonl"), '{"question": "1+1=", "answer": "2"}\n');
});

async function planned(more = "") {
  writeFileSync(
    at("x.yaml"),
    `data: ${at("rows.jsonl")}
held-out: ${at("rows.jsonl")}
base: false
seeds: [1]
settings: { max-steps: 4${more} }
methods: { mine: { explore: ${at("mine.ts")} } }
evaluate: { checkpoints: [4] }
`,
  );
  return readExperiment(at("x.yaml"), at("run"));
}

/** A run as far as its configuration says what it was begun with; `changed` at step 2. */
async function begin(changed?: () => void, model?: string) {
  const experiment = await planned();
  const settings = experiment.runs[0].settings as TrainSettings;
  const { rows } = await readData(settings, () => {});
  const opened = await openNamedModel(settings.model);
  let origins = await originsOf(rows, opened, settings);
  changed?.();
  if (changed) origins = originsFrom(origins, await originsOf(rows, opened, settings), 2);
  if (model) origins = { ...origins, model };
  RunFolder.create(settings.outputDir, settings.data).writeConfig({
    settings: storedSettings(settings),
    origins,
    versions: {},
    adapter: {},
    tuning: {},
  });
  return { ...experiment, folder: at("run/mine-1") };
}

test("a run is taken that was made with the same", async () => {
  await requireSame(await begin(), "x.yaml");
});

test("own code that lies elsewhere is the same, also for a run that went on with it there", async () => {
  const { runs, ...experiment } = await begin();
  cpSync(at("mine.ts"), at("sub/mine.ts"));
  const [run] = runs;
  const settings = { ...(run.settings as TrainSettings), explore: at("sub/mine.ts") };
  const moved = { ...experiment, runs: [{ ...run, base: false as const, settings }] };
  await requireSame(moved, "x.yaml");
  const folder = RunFolder.open(at("run/mine-1"));
  const config = folder.readConfig<object>();
  const now = { ...(config.origins as Origins), own: ownHashes(settings) };
  const origins = originsFrom(config.origins, now, 2);
  expect(Object.keys(origins.own)).toEqual([at("sub/mine.ts")]);
  folder.writeConfig({ ...config, settings: storedSettings(settings), origins });
  await requireSame({ ...experiment, runs }, "x.yaml");
  writeFileSync(at("sub/mine.ts"), "export default {}");
  await expect(requireSame(moved, "x.yaml")).rejects.toThrow("as it was before it was changed");
});

test("own code that was changed is refused", async () => {
  const { folder, ...experiment } = await begin();
  own(2);
  await expect(requireSame(experiment, "x.yaml")).rejects.toThrow(
    `${folder} was made with ${at("mine.ts")} as it was before it was changed; put it back, or delete it`,
  );
});

test("a run of two versions of own code is refused with either", async () => {
  const { folder, ...experiment } = await begin(() => own(2));
  own(1);
  await expect(requireSame(experiment, "x.yaml")).rejects.toThrow(
    `${folder} was made with one mine.ts up to step 2 and with another after it; delete it`,
  );
});

test("a model of other content is refused", async () => {
  const { folder, ...experiment } = await begin(undefined, "0");
  await expect(requireSame(experiment, "x.yaml")).rejects.toThrow(
    `${folder} was made with another model than ${experiment.runs[0].settings.model} is now`,
  );
});

test("a model that is not there is said to be missing, and nothing is to be deleted", async () => {
  await begin();
  const experiment = await planned(`, model: ${at("warm")}`);
  await expect(requireSame(experiment, "x.yaml")).rejects.toThrow(
    new RegExp(`^${at("warm")}: no such model; put it back, or correct model in x.yaml$`),
  );
});
