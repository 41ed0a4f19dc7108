import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AttentionShape,
  attentionKey,
  formatAttention,
} from "../../beyond/kernels/attention-choice.ts";
import { MATMUL_FAMILIES, type MatmulFamily } from "../../beyond/kernels/matmul-families.ts";
import type { MatmulShape } from "../../beyond/kernels/matmul-family.ts";
import { formatChoice, shapeKey } from "../../beyond/kernels/matmuls.ts";
import { makeOps } from "../../beyond/kernels/ops.ts";
import type { TuningTable } from "../../beyond/kernels/variants.ts";
import { rowClassDifferences } from "../../beyond/oracle/row-classes.ts";
import type { SystemGpu } from "../../beyond/platform/gpu.ts";
import { searchAttention } from "../../beyond/tuning/attention.ts";
import { candidatesFor } from "../../beyond/tuning/candidates.ts";
import { CandidateChecks } from "../../beyond/tuning/checks.ts";
import { KeptTuning, tunedFor } from "../../beyond/tuning/kept.ts";
import { searchMatmuls } from "../../beyond/tuning/search.ts";
import { type TuningWish, tuneFor } from "../../beyond/tuning/tuning.ts";
import type { Ops } from "../../lib/model/ops.ts";
import { testGpu } from "../kernels.ts";

const gpu = await testGpu();
const { variants } = gpu;
const shape: MatmulShape = { product: "forward", K: 160, N: 76, format: "f32", dtype: "f32" };
const small: MatmulShape = { ...shape, product: "backwardWeight", K: 16, N: 16 };
const heads: AttentionShape = { heads: 4, kvHeads: 2, headDim: 16, dtype: "f32" };
const shapes = { products: [shape, small], attention: heads };
const keys = shapes.products.map(shapeKey);
const other = variants.matmul === "plain" ? "tiled" : "plain";
const builtIn = {
  ...Object.fromEntries(
    keys.map((key) => [key, shorten(`${variants.matmul} ${variants.tiles[variants.matmul]}`)]),
  ),
  [attentionKey(heads)]: formatAttention(variants),
};

function shorten(choice: string): string {
  const [family, ...tiles] = choice.split(" ");
  return [family, ...(new Set(tiles).size === 1 ? tiles.slice(0, 1) : tiles)].join(" ");
}

const cache = mkdtempSync(join(tmpdir(), "rlexplore-tuning-test-"));
const before = process.env.XDG_CACHE_HOME;
afterEach(() => {
  rmSync(join(cache, "rlexplore"), { recursive: true, force: true });
  delete process.env.RLEXPLORE_MATMUL;
  delete process.env.RLEXPLORE_ATTENTION;
});
afterAll(() => {
  rmSync(cache, { recursive: true });
  if (before === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = before;
});

/** The table in force, and what the user is told, with the cache in a folder of the test's own. */
async function inForce(wish: TuningWish, on = gpu) {
  process.env.XDG_CACHE_HOME = cache;
  const notes: string[] = [];
  const table = await tuneFor(on, wish, (text) => notes.push(text))(shapes);
  return { table, notes };
}

const wanted = {
  [keys[0]]: `${other} ${MATMUL_FAMILIES.find((f) => f.name === other)?.tiles[0].name}`,
};
const keepTable = (table: TuningTable) => {
  process.env.XDG_CACHE_HOME = cache;
  return new KeptTuning(tunedFor(gpu.found)).add(table);
};
const keep = () => keepTable(wanted);

test("a software adapter has what is built in, until it is tuned", async () => {
  expect(await inForce({ noTune: false })).toEqual({ table: builtIn, notes: [] });
  expect(keep()).toStartWith(cache);
  expect(await inForce({ noTune: false })).toEqual({ table: { ...builtIn, ...wanted }, notes: [] });
  expect(await inForce({ noTune: true })).toEqual({ table: builtIn, notes: [] });
});

test("a run goes on with its own table, whatever is kept", async () => {
  keep();
  const adapter = { name: gpu.found.name };
  const begun = { adapter, tuning: builtIn };
  expect(await inForce({ noTune: false, begun })).toEqual({ table: builtIn, notes: [] });
  const own = { adapter, tuning: wanted };
  const expected = { table: { ...builtIn, ...wanted }, notes: [] };
  expect(await inForce({ noTune: true, begun: own })).toEqual(expected);
});

const lostTwo =
  "2 kernels of the run are not there any more, or not on this device: it goes on with other rounding";

test("... unless on another adapter, or in a version that has other kernels", async () => {
  const elsewhere = { adapter: { name: "NVIDIA H100" }, tuning: wanted };
  expect(await inForce({ noTune: false, begun: elsewhere })).toEqual({
    table: builtIn,
    notes: ["begun on NVIDIA H100: the run goes on with other rounding"],
  });
  const tuning = { [keys[0]]: "quick 1x1", [keys[1]]: 7 } as unknown as Record<string, string>;
  const older = { adapter: { name: gpu.found.name }, tuning };
  expect(await inForce({ noTune: false, begun: older })).toEqual({
    table: builtIn,
    notes: [lostTwo],
  });
  const { device } = gpu;
  const features = new Set([...device.features, "chromium-experimental-subgroup-matrix"]);
  features.delete("subgroups");
  const bare = Object.create(device, { features: { value: features } });
  const without: SystemGpu = Object.create(gpu, {
    device: { value: bare },
    variants: { value: { ...variants, subgroupMatrix: null } },
  });
  for (const way of ["subgroup", "matrix 16384"]) {
    const tuning = { [keys[0]]: "matrix 16x16", [attentionKey(heads)]: way };
    const moved = { adapter: { name: gpu.found.name }, tuning };
    expect(await inForce({ noTune: false, begun: moved }, without)).toEqual({
      table: builtIn,
      notes: [lostTwo],
    });
  }
});

test("RLEXPLORE_MATMUL comes before every table", async () => {
  keep();
  process.env.RLEXPLORE_MATMUL = variants.matmul;
  const { table, notes } = await inForce({ noTune: false });
  expect(table).toEqual(builtIn);
  expect(notes).toEqual([`matmul: ${variants.matmul} wherever it can, as RLEXPLORE_MATMUL says`]);
});

test("a GPU is tuned on first use, and then no more", async () => {
  const hardware: SystemGpu = Object.create(gpu, { isSoftware: { value: false } });
  keepTable({ [attentionKey(heads)]: "plain" }); // the search for it takes minutes on SwiftShader
  const first: string[] = [];
  const tune = (notes: string[]) =>
    tuneFor(hardware, { noTune: false, seconds: 120 }, (text) => notes.push(text))({
      products: [small],
      attention: heads,
    });
  const table = await tune(first);
  expect(first.length).toBe(1); // and so every way to do it passed its checks
  expect(first[0]).toMatch(
    /^tuned for .* \(--no-tune does without\): \d+\.\d s, kept in .*\/tuning-.*\.json$/,
  );
  expect(readdirSync(join(cache, "rlexplore")).filter((name) => /^tuning/.test(name)).length).toBe(
    1,
  );
  const again: string[] = [];
  expect(await tune(again)).toEqual(table);
  expect(again).toEqual([]);
});

test("what cannot be measured is in the run's table, and tried again by the next run", async () => {
  const hardware: SystemGpu = Object.create(gpu, {
    isSoftware: { value: false },
    attempt: { value: async () => "no" },
  });
  for (const _ of ["first", "next"]) {
    const { table, notes } = await inForce({ noTune: false }, hardware);
    expect(table).toEqual(builtIn);
    expect(notes.filter((note) => note.includes("cannot be measured: no")).length).toBe(2);
    expect(notes.at(-1)).toEndWith("; 3 shapes are left for later runs");
    expect(new KeptTuning(tunedFor(gpu.found)).read().table).toEqual({});
  }
});

test("what the time does not reach stays as it is", async () => {
  const [tuned] = await searchMatmuls(gpu, [shape], -1, () => {});
  expect(tuned.timings).toEqual([]);
  expect(formatChoice(tuned.choice)).toBe(builtIn[keys[0]]);
});

test("a table is obeyed, by the shapes it has and by no other", async () => {
  const all = makeOps(gpu, 16, { matmul: other });
  const one = makeOps(gpu, 16, { tuned: wanted });
  // rowClassDifferences makes products of 160 x 76
  const differences = (fewer: Ops) => rowClassDifferences(gpu, all, { fewer });
  expect(await differences(one)).toMatchObject({ forward: 0 });
  expect((await differences(one)).backward_input).toBeGreaterThan(0);
  expect((await differences(makeOps(gpu, 16))).forward).toBeGreaterThan(0);
});

test("every way to make a product has right sums, and the bits of its family", async () => {
  const problems: string[] = [];
  const checks = new CandidateChecks(gpu, (text) => problems.push(text));
  for (const product of ["forward", "backwardInput"] as const) {
    for (const candidate of candidatesFor(gpu, { ...shape, product })) {
      await checks.pass(candidate, { ...shape, product });
    }
  }
  expect(problems).toEqual([]);
});

test("what is wrong, or does not compile, is left out, and the device goes on", async () => {
  const [plain] = MATMUL_FAMILIES;
  const problems: string[] = [];
  const attempt = async (from: string, to: string) => {
    const source = plain.source.replaceAll(from, to);
    const family = { ...plain, name: "wrong", shader: `wrong-${to}`, source };
    const tiles = { ...variants.tiles, wrong: plain.tiles[0].name };
    const fake: SystemGpu = Object.create(gpu, { variants: { value: { ...variants, tiles } } });
    const families = MATMUL_FAMILIES as unknown as MatmulFamily[];
    families.push(family as unknown as MatmulFamily);
    try {
      const candidate = { family: families[families.length - 1], tile: plain.tiles[0] };
      const checks = new CandidateChecks(fake, (text) => problems.push(text));
      return await checks.pass(candidate, shape);
    } finally {
      families.pop();
    }
  };
  expect(await attempt("+= right * left[i]", "+= right * (1.001 * left[i])")).toBe(false);
  expect(await attempt("fn forward_tile", "fun forward_tile")).toBe(false);
  expect(problems.length).toBe(2);
  expect(problems[0]).toMatch(/errs by 1\.0e-3; it is left out$/);
  expect(problems[1]).toMatch(/the GPU refused .*; it is left out$/);
  gpu.check();
});

test("attention is in the table too", async () => {
  const wanted = {
    [attentionKey(heads)]: variants.attention === "plain" ? "tiled 16384" : "plain",
  };
  keepTable(wanted);
  expect((await inForce({ noTune: false })).table).toEqual({ ...builtIn, ...wanted });
  process.env.RLEXPLORE_ATTENTION = variants.attention;
  expect(await inForce({ noTune: false })).toEqual({
    table: builtIn,
    notes: [`attention: ${variants.attention} wherever it can, as RLEXPLORE_ATTENTION says`],
  });
  // smaller than any of them, or none
  const begun = {
    adapter: { name: gpu.found.name },
    tuning: { "attention 1x1x4 f32": "tiled 1e9" },
  };
  expect((await inForce({ noTune: false, begun })).notes.length).toBe(2);
});

const isSlow = gpu.found.name.startsWith("SwiftShader");
test("every way to compute attention has right results, and the bits of learning in decoding", async () => {
  const problems: string[] = [];
  const options = isSlow ? { ways: [] } : {}; // the built-in one alone
  const tuned = await searchAttention(gpu, heads, (text) => problems.push(text), options);
  expect(problems).toEqual([]);
  expect(tuned.times.length).toBeGreaterThanOrEqual(isSlow ? 1 : 3);
  for (const [, seconds] of tuned.times) expect(Math.min(...seconds)).toBeGreaterThan(0);
  if (isSlow) expect(formatAttention(tuned.choice)).toBe(formatAttention(variants));
});
