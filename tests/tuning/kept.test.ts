import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeptTuning, type TunedFor, tunedFor } from "../../beyond/tuning/kept.ts";

const root = mkdtempSync(join(tmpdir(), "rlexplore-kept-test-"));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;
const newFolder = () => join(root, `${++folders}`);

const of: TunedFor = { adapter: "NVIDIA H100", driver: "vulkan, 570", webgpu: "1", shaders: "a" };
const table = { "forward 64x192 f32 f32": "plain 4x8" };

test("a table comes back, and grows", () => {
  const folder = newFolder();
  const kept = new KeptTuning(of, [folder]);
  expect(kept.read()).toEqual({ path: null, table: {} });
  const path = kept.add(table);
  expect(path).toStartWith(join(folder, "tuning-nvidia-h100-"));
  const more = { "forward 64x64 f32 f32": "tiled 64x64" };
  kept.add(more);
  expect(new KeptTuning(of, [folder]).read()).toEqual({ path, table: { ...table, ...more } });
  // and nothing else is left in the folder
  expect(readdirSync(folder).length).toBe(1);
});

test("with another adapter, driver, Dawn or shader it is of no use", () => {
  const folder = newFolder();
  const path = new KeptTuning(of, [folder]).add(table) ?? "";
  for (const key of Object.keys(of)) {
    const other = new KeptTuning({ ...of, [key]: "other" }, [folder]);
    expect(other.read().table).toEqual({});
    // nor when its file has the name of the right one
    const right = other.add({}) ?? "";
    const stale = readFileSync(path);
    renameSync(right, `${right}.old`);
    writeFileSync(right, stale);
    expect(other.read().table).toEqual({});
  }
  expect(new KeptTuning(of, [folder]).read().table).toEqual(table);
});

test("a broken file is ignored and written anew", () => {
  const kept = new KeptTuning(of, [newFolder()]);
  const path = kept.add(table) ?? "";
  const whole = readFileSync(path, "utf8");
  const broken = ["", "{", "null", "[]", '{"table":3}', whole.slice(0, -9), "\0\0"];
  for (const text of [...broken, whole.replace('"plain 4x8"', "7")]) {
    writeFileSync(path, text);
    expect(kept.read()).toEqual({ path: null, table: {} });
    expect(kept.add(table)).toBe(path);
    expect(readFileSync(path, "utf8")).toBe(whole);
  }
});

test("where a folder cannot be written the next one is taken, and without any it is no error", () => {
  const file = join(root, "file");
  writeFileSync(file, "");
  const folder = newFolder();
  const kept = new KeptTuning(of, [join(file, "cache"), folder]);
  expect(kept.add(table)).toStartWith(folder);
  expect(kept.read().table).toEqual(table);
  expect(new KeptTuning(of, [join(file, "cache")]).add(table)).toBeNull();
});

test("the shaders of this version have a hash", () => {
  const { shaders, webgpu } = tunedFor({ name: "x", driver: "y" });
  expect(shaders).toMatch(/^[0-9a-f]+$/);
  expect(webgpu).toMatch(/^\d+\./);
});
