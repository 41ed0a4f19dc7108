import { afterAll, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { readRows } from "../../beyond/datasets/rows.ts";
import { hubDataset } from "../../beyond/hub/datasets.ts";
import { UserError } from "../../lib/errors.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const layout = (name: string) => readFileSync(`${import.meta.dir}/../datasets/layouts/${name}`);
const card = `---
configs:
- config_name: main
  data_files:
  - {split: train, path: main/train-*}
  - {split: test, path: main/test-*}
- config_name: other
  data_files: other/all data.jsonl
---
`;
const files: Record<string, Uint8Array> = {
  "README.md": Buffer.from(card),
  "main/train-00000-of-00002.parquet": layout("dapo-math-17k.parquet"),
  "main/train-00001-of-00002.parquet": layout("verl-gsm8k.parquet"),
  "main/test-00000-of-00001.parquet": layout("aime-2024.parquet"),
  "other/all data.jsonl": layout("gsm8k.jsonl"),
};
const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");
const gitSha1 = (data: Uint8Array) =>
  createHash("sha1").update(`blob ${data.length}\0`).update(data).digest("hex");
const checksum = (name: string) =>
  name.endsWith(".parquet") ? sha256(files[name]) : gitSha1(files[name]);

let asked: string[] = [];
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request) {
    const path = decodeURIComponent(new URL(request.url).pathname);
    asked.push(path);
    if (path === "/api/datasets/org/set/revision/HEAD") {
      return Response.json({ _id: "1", id: "org/set", sha: COMMIT, siblings: [] });
    }
    if (path === `/api/datasets/org/set/tree/${COMMIT}`) {
      const entries = Object.entries(files).map(([name, data]) => ({
        type: "file",
        path: name,
        size: data.length,
        oid: gitSha1(data),
        ...(name.endsWith(".parquet") && { lfs: { oid: sha256(data), size: data.length } }),
      }));
      return Response.json([{ type: "directory", path: "main", size: 0, oid: "" }, ...entries]);
    }
    const name = path.replace(`/datasets/org/set/resolve/${COMMIT}/`, "");
    return name in files ? new Response(files[name]) : new Response("", { status: 404 });
  },
});

const folder = mkdtempSync(join(tmpdir(), "hub-data-"));
afterAll(() => {
  server.stop(true);
  rmSync(folder, { recursive: true });
});
let home = "";
beforeEach(() => {
  home = mkdtempSync(join(folder, "home-"));
  asked = [];
});
const endpoint = `http://127.0.0.1:${server.port}`;
const get = (split = "train", subset: string | null = "main", env = {}, name = "org/set") =>
  hubDataset(name, { split, subset }, () => {}, { HF_HOME: home, HF_ENDPOINT: endpoint, ...env });
const cache = () => join(home, "hub", "datasets--org--set");
const fetched = () =>
  asked.filter((path) => path.includes("/resolve/")).map((path) => path.split(`${COMMIT}/`)[1]);

test("a split is fetched, its shards in order, into the cache as huggingface_hub lays it out", async () => {
  const source = await get();
  const snapshot = join(cache(), "snapshots", COMMIT);
  expect(source).toEqual({
    name: "org/set/train",
    files: [0, 1].map((i) => join(snapshot, "main", `train-0000${i}-of-00002.parquet`)),
  });
  expect(fetched().sort()).toEqual(["README.md", ...Object.keys(files).slice(1, 3)]);
  expect(readFileSync(join(cache(), "refs", "main"), "utf8")).toBe(COMMIT);
  for (const path of source.files) {
    const name = path.slice(snapshot.length + 1);
    expect(readlinkSync(path)).toBe(join("..", "..", "..", "blobs", checksum(name)));
    expect(readFileSync(path)).toEqual(Buffer.from(files[name]));
  }
  const { rows } = await readRows(source);
  expect([...rows].map(({ line, answer }) => [line, answer])).toEqual([
    [1, "77"],
    [2, "2"],
    [3, "72"],
    [4, "1200"],
  ]);
  // the hub is not asked again, and another split takes what it lacks
  asked = [];
  expect(await get()).toEqual(source);
  expect(await get("train", "main", { HF_HUB_OFFLINE: "1" })).toEqual(source);
  expect(asked).toEqual([]);
  await get("test");
  expect(fetched()).toEqual(["main/test-00000-of-00001.parquet"]);
  expect((await get("train", "other")).files[0]).toEndWith("other/all data.jsonl");
});

test("what Python has downloaded is found, if it is all there", async () => {
  const snapshot = join(cache(), "snapshots", COMMIT);
  const put = (name: string) => {
    const blob = join(cache(), "blobs", checksum(name));
    const path = join(snapshot, name);
    mkdirSync(dirname(blob), { recursive: true });
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(blob, files[name]);
    symlinkSync(join(...name.split("/").map(() => ".."), "..", "blobs", checksum(name)), path);
  };
  mkdirSync(join(cache(), "refs"), { recursive: true });
  writeFileSync(join(cache(), "refs", "main"), COMMIT);
  put("README.md");
  put("main/train-00000-of-00002.parquet");
  const offline = { HF_HUB_OFFLINE: "1" };
  await expect(get("train", "main", offline)).rejects.toThrow(/not whole in .* give a file$/);
  put("main/train-00001-of-00002.parquet");
  expect((await get("train", "main", offline)).files).toHaveLength(2);
  expect(asked).toEqual([]);
});

test.each<[string, () => Promise<unknown>, RegExp]>([
  [
    "no such data set",
    () => get("train", null, {}, "org/no"),
    /^org\/no at .*: no such data set; check/,
  ],
  ["no subset chosen", () => get("train", null), /^org\/set has several subsets; .*: main, other$/],
  ["no such subset", () => get("train", "x"), /no subset x; choose with --subset: main, other$/],
  ["no such split", () => get("dev"), /^org\/set has no split dev; .*--split: train, test$/],
  [
    "no connection",
    () => get("train", "main", { HF_ENDPOINT: "http://127.0.0.1:9" }),
    /^org\/set at .* cannot be downloaded \(.*; try again, .* or give a file$/,
  ],
  [
    "offline",
    () => get("train", "main", { HF_HUB_OFFLINE: "1" }),
    /HF_HUB_OFFLINE is set; unset it to download the data set, or give a file$/,
  ],
])("%s: one line", async (_what, act, message) => {
  await expect(act()).rejects.toThrow(UserError);
  await expect(act()).rejects.toThrow(message);
  expect(
    existsSync(join(cache(), "blobs")) ? readdirSync(join(cache(), "blobs")) : [],
  ).not.toContain(checksum("main/train-00000-of-00002.parquet"));
});
