import { afterAll, beforeEach, describe, expect, test } from "bun:test";
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
import { join } from "node:path";
import { isHubName } from "../../beyond/hub/hub.ts";
import { hubModel } from "../../beyond/hub/models.ts";
import { openModelFolder } from "../../beyond/models/folder.ts";
import { UserError } from "../../lib/errors.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const base = (name: string) => readFileSync(`${import.meta.dir}/../../models/base/${name}`);
const small = ["config.json", "tokenizer.json", "tokenizer_config.json"];
const files: Record<string, Uint8Array> = {
  ...Object.fromEntries(small.map((name) => [name, base(name)])),
  "model.safetensors": base("model.safetensors"),
  "model-00001-of-00002.safetensors": Buffer.from("not wanted beside whole weights"),
  "README.md": Buffer.from("---\nlicense: mit\n---\n"),
  "onnx.bin": Buffer.from("not wanted"),
};
const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");
const gitSha1 = (data: Uint8Array) =>
  createHash("sha1").update(`blob ${data.length}\0`).update(data).digest("hex");
const checksum = (name: string) =>
  name.endsWith(".safetensors") ? sha256(files[name]) : gitSha1(files[name]);

/** What the server was asked, and how it shall misbehave. */
let asked: { path: string; range: string | null; token: string | null }[] = [];
let breakOffAt: number[] = [];
let damage = false;
let ranges = true;

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request) {
    const { pathname } = new URL(request.url);
    const range = request.headers.get("range");
    asked.push({ path: pathname, range, token: request.headers.get("authorization") });
    if (pathname.startsWith("/api/models/org/secret")) return new Response("", { status: 401 });
    if (pathname.startsWith("/api/models/org/broken")) return new Response("", { status: 503 });
    if (pathname === "/api/models/org/small/revision/HEAD") {
      return Response.json({ _id: "1", id: "org/small", sha: COMMIT, siblings: [] });
    }
    if (pathname === `/api/models/org/small/tree/${COMMIT}`) {
      const entries = Object.entries(files).map(([path, data]) => ({
        type: "file",
        path,
        size: data.length,
        oid: gitSha1(data),
        ...(path.endsWith(".safetensors") && { lfs: { oid: sha256(data), size: data.length } }),
      }));
      return Response.json(entries);
    }
    const name = pathname.replace(`/org/small/resolve/${COMMIT}/`, "");
    if (!(name in files)) return new Response("", { status: 404 });
    const first = ranges ? Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0) : 0;
    const data = files[name].slice(first);
    if (damage && name === "model.safetensors") data[0] ^= 1;
    const cut = name === "model.safetensors" ? breakOffAt.shift() : undefined;
    const body = cut === undefined ? data : data.slice(0, cut);
    return new Response(body, { status: first > 0 ? 206 : 200 });
  },
});

const folder = mkdtempSync(join(tmpdir(), "hub-"));
afterAll(() => {
  server.stop(true);
  rmSync(folder, { recursive: true });
});
let home = "";
const endpoint = `http://127.0.0.1:${server.port}`;
const get = (name = "org/small", env: Record<string, string> = {}, seen: number[] = []) =>
  hubModel(
    name,
    (file, done, total) => {
      if (file === "model.safetensors") seen.push(done / total);
    },
    {},
    { HF_HOME: home, HF_ENDPOINT: endpoint, ...env },
  );
beforeEach(() => {
  home = mkdtempSync(join(folder, "home-"));
  asked = [];
  breakOffAt = [];
  damage = false;
  ranges = true;
});
const cacheOf = (path: string) => join(path, "hub", "models--org--small");

describe("a model of the hub", () => {
  test("lies in the cache as huggingface_hub lays it out, and opens", async () => {
    const seen: number[] = [];
    const path = await get("org/small", {}, seen);
    expect(path).toBe(join(cacheOf(home), "snapshots", COMMIT));
    expect(readFileSync(join(cacheOf(home), "refs", "main"), "utf8")).toBe(COMMIT);
    expect(readdirSync(path).sort()).toEqual([...small, "README.md", "model.safetensors"].sort());
    for (const name of readdirSync(path)) {
      expect(readlinkSync(join(path, name))).toBe(join("..", "..", "blobs", checksum(name)));
      expect(readFileSync(join(path, name))).toEqual(Buffer.from(files[name]));
    }
    expect(seen.at(-1)).toBe(1);
    expect((await openModelFolder(path)).tensors.size).toBeGreaterThan(10);
    // and the hub is not asked again
    asked = [];
    expect(await get()).toBe(path);
    expect(await get("org/small", { HF_HUB_OFFLINE: "1" })).toBe(path);
    expect(asked).toEqual([]);
  });

  test("comes without its weights where only its shape is wanted", async () => {
    const env = { HF_HOME: home, HF_ENDPOINT: endpoint };
    const path = await hubModel("org/small", () => {}, { weights: false }, env);
    expect(readdirSync(path).sort()).toEqual([...small, "README.md"].sort());
    // and with them later
    expect(await get()).toBe(path);
    expect(readdirSync(path)).toContain("model.safetensors");
  });

  test("that Python has downloaded is found, in any of its places", async () => {
    const snapshot = join(cacheOf(home), "snapshots", COMMIT);
    mkdirSync(snapshot, { recursive: true });
    mkdirSync(join(cacheOf(home), "blobs"));
    mkdirSync(join(cacheOf(home), "refs"));
    writeFileSync(join(cacheOf(home), "refs", "main"), COMMIT);
    for (const name of [...small, "model.safetensors"]) {
      writeFileSync(join(cacheOf(home), "blobs", checksum(name)), files[name]);
      symlinkSync(join("..", "..", "blobs", checksum(name)), join(snapshot, name));
    }
    const env = { HF_HUB_OFFLINE: "1" };
    expect(await get("org/small", env)).toBe(snapshot);
    const elsewhere = { ...env, HF_HOME: "/nowhere", HF_HUB_CACHE: join(home, "hub") };
    expect(await get("org/small", elsewhere)).toBe(snapshot);
    rmSync(join(cacheOf(home), "blobs", checksum("model.safetensors")));
    await expect(get("org/small", env)).rejects.toThrow(/HF_HUB_OFFLINE is set; unset it/);
    // only what is missing is asked for
    expect(await get()).toBe(snapshot);
    expect(asked.map(({ path }) => path).filter((path) => path.includes("/resolve/"))).toEqual([
      `/org/small/resolve/${COMMIT}/model.safetensors`,
      `/org/small/resolve/${COMMIT}/README.md`,
    ]);
  });

  test("goes on where a download broke off, by itself and in a later call", async () => {
    breakOffAt = [1000, 500];
    const path = await get();
    const tries = asked.filter(({ path }) => path.endsWith("/model.safetensors"));
    expect(tries.map(({ range }) => range)).toEqual([null, "bytes=1000-", "bytes=1500-"]);
    expect(readFileSync(join(path, "model.safetensors"))).toEqual(base("model.safetensors"));

    home = mkdtempSync(join(folder, "home-"));
    breakOffAt = [100, 100, 100, 100];
    await expect(get()).rejects.toThrow(/400 of \d+ bytes came.*try again, which goes on/);
    expect(existsSync(join(cacheOf(home), "refs", "main"))).toBe(false);
    asked = [];
    const later = await get();
    const [only] = asked.filter(({ path }) => path.endsWith("/model.safetensors"));
    expect(only.range).toBe("bytes=400-");
    expect(readFileSync(join(later, "model.safetensors"))).toEqual(base("model.safetensors"));
  }, 30_000);

  test("begins again where the server knows no ranges", async () => {
    breakOffAt = [1000];
    ranges = false;
    const path = await get();
    expect(readFileSync(join(path, "model.safetensors"))).toEqual(base("model.safetensors"));
  });

  test("that arrives damaged is deleted", async () => {
    damage = true;
    await expect(get()).rejects.toThrow("org/small: model.safetensors arrived damaged");
    expect(readdirSync(join(cacheOf(home), "blobs")).join()).not.toContain("incomplete");
    damage = false;
    await get();
  });

  test("is asked for with the token, from the environment or where Python keeps it", async () => {
    await get("org/small", { HF_TOKEN: "hf_abc" });
    expect(new Set(asked.map(({ token }) => token))).toEqual(new Set(["Bearer hf_abc"]));
    home = mkdtempSync(join(folder, "home-"));
    writeFileSync(join(home, "token"), "hf_kept\n");
    asked = [];
    await get();
    expect(new Set(asked.map(({ token }) => token))).toEqual(new Set(["Bearer hf_kept"]));
  });

  const wrong: [string, Record<string, string>, RegExp][] = [
    ["org/unknown", {}, /^org\/unknown at .*: no such model; check --model$/],
    ["org/secret", {}, /^org\/secret at .*: no such model, or .* set HF_TOKEN$/],
    ["org/broken", {}, /cannot be downloaded \(the hub answered 503\)/],
    ["org/small", { HF_ENDPOINT: "http://127.0.0.1:9" }, /cannot be downloaded \(.*give a folder$/],
    ["org/small", { HF_HUB_OFFLINE: "1" }, /HF_HUB_OFFLINE is set; unset it/],
  ];
  test.each(wrong)("%s, %p: one line", async (name, env, message) => {
    await expect(get(name, env)).rejects.toThrow(UserError);
    await expect(get(name, env)).rejects.toThrow(message);
  });
});

test("names of the hub", () => {
  expect(["Qwen/Qwen2.5-0.5B", "a/b", "org/my_model-1"].every(isHubName)).toBe(true);
  expect(["x", "a/b/c", "../a", "./a", "/a/b", "a/..", "a/", "a b/c"].some(isHubName)).toBe(false);
});
