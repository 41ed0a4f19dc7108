import { afterAll, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { push, requirePushable } from "../../beyond/export/push.ts";

const folder = mkdtempSync(join(tmpdir(), "push-"));
const model = join(folder, "model");
cpSync(join(import.meta.dir, "../../models/base"), model, { recursive: true });
writeFileSync(join(model, "README.md"), "# mine");
mkdirSync(join(model, "trainer"));
writeFileSync(join(model, "trainer", "optimizer.safetensors"), "moments");
writeFileSync(join(model, "notes.txt"), "private");
const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

interface Line {
  key: string;
  value: Record<string, unknown>;
}
/** What a hub keeps, and with what it refuses. */
let made: Record<string, unknown>[] = [];
let commits: Line[][] = [];
let stored = new Map<string, Uint8Array>();
let readme: string | null = null;
let refusal: Record<string, number> = {};
let tokens: (string | null)[] = [];
let storageTokens: (string | null)[] = [];

/** Large files go to another host, which must not see the token. */
const storage = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    storageTokens.push(request.headers.get("authorization"));
    stored.set(new URL(request.url).pathname.slice(1), await request.bytes());
    return new Response("");
  },
});
const hub = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    const { pathname } = new URL(request.url);
    tokens.push(request.headers.get("authorization"));
    const status = Object.entries(refusal).find(([path]) => pathname.includes(path))?.[1];
    if (status) return Response.json({ error: "no" }, { status });
    if (pathname === "/api/repos/create") {
      made.push((await request.json()) as Record<string, unknown>);
      return Response.json({ url: "x", id: "1" });
    }
    if (pathname === "/api/models/org/name/preupload/main") {
      const { files } = (await request.json()) as { files: { path: string }[] };
      const isLarge = (path: string) => /safetensors|gguf/.test(path);
      return Response.json({
        files: files.map(({ path }) => ({ path, uploadMode: isLarge(path) ? "lfs" : "regular" })),
      });
    }
    if (pathname === "/org/name.git/info/lfs/objects/batch") {
      const { objects } = (await request.json()) as { objects: { oid: string; size: number }[] };
      return Response.json({
        transfer: "basic",
        objects: objects.map(({ oid, size }) => ({
          oid,
          size,
          actions: { upload: { href: `http://127.0.0.1:${storage.port}/${oid}` } },
        })),
      });
    }
    if (pathname === "/api/models/org/name/commit/main") {
      const lines = (await request.text()).split("\n").map((line) => JSON.parse(line) as Line);
      commits.push(lines);
      return Response.json({ commitOid: "0123456789abcdef", commitUrl: "y" });
    }
    if (pathname === "/org/name/resolve/main/README.md" && readme !== null) {
      return new Response(readme);
    }
    return new Response("", { status: 404 });
  },
});
afterAll(() => {
  hub.stop(true);
  storage.stop(true);
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  [made, commits, tokens, storageTokens] = [[], [], [], []];
  stored = new Map();
  readme = null;
  refusal = {};
});

const endpoint = `http://127.0.0.1:${hub.port}`;
const env = { HF_ENDPOINT: endpoint, HF_TOKEN: "secret", HF_HOME: folder };
async function pushed(changes: object = {}, environment: object = env): Promise<string> {
  const settings = { model, gguf: null, ollama: false, public: false, push: "org/name" };
  const said = spyOn(console, "log").mockImplementation(() => {});
  try {
    await push({ ...settings, ...changes }, environment as Record<string, string>);
    return said.mock.calls.flat().join("\n");
  } finally {
    said.mockRestore();
  }
}
/** The paths of a commit, and what it says of them. */
const inCommit = () =>
  new Map(commits[0].slice(1).map(({ value }) => [String(value.path), value] as const));

test("a model goes into a private repository, in one commit, with nothing that is no part of it", async () => {
  const said = await pushed();
  expect(made).toEqual([
    { name: "name", organization: "org", type: "model", visibility: "private" },
  ]);
  const files = inCommit();
  const names = ["README.md", "config.json", "model.safetensors", "tokenizer.json"];
  expect([...files.keys()]).toEqual([...names, "tokenizer_config.json"]);
  const weights = readFileSync(join(model, "model.safetensors"));
  expect(files.get("model.safetensors")).toMatchObject({ oid: sha256(weights) });
  expect(stored.get(sha256(weights))).toEqual(new Uint8Array(weights));
  const config = Buffer.from(String(files.get("config.json")?.content), "base64");
  expect(config.equals(readFileSync(join(model, "config.json")))).toBe(true);
  expect(new Set(tokens)).toEqual(new Set(["Bearer secret"]));
  expect(storageTokens).toEqual([null]);
  expect(said).toContain("left out, being no part of the model: ");
  expect(said).toMatch(/uploading 5 files, [\d.]+ KiB, to org\/name/);
  expect(said).toContain("README.md, config.json, model.safetensors, tokenizer.json, ");
  expect(said).toContain(`the model is at ${endpoint}/org/name, private`);
});

test("a repository that is there keeps its visibility, and a card that says something else", async () => {
  refusal = { "repos/create": 409 };
  readme = "# theirs";
  const said = await pushed({ public: true });
  expect([...inCommit().keys()]).not.toContain("README.md");
  expect(said).toContain("README.md there says something else and stays as it is");
  expect(said).toContain("as public or private as it was");
  commits = [];
  readme = "# mine";
  await pushed();
  expect([...inCommit().keys()]).toContain("README.md");
});

test("a GGUF file goes with its Modelfile and the model's card", async () => {
  const gguf = join(folder, "m.gguf");
  writeFileSync(gguf, "GGUF");
  writeFileSync(join(folder, "Modelfile"), "FROM ./m.gguf");
  writeFileSync(join(model, "README.md"), "---\nlibrary_name: transformers\n---\n");
  await pushed({ gguf, ollama: true, public: true });
  expect(made[0].visibility).toBe("public");
  const files = inCommit();
  expect([...files.keys()].sort()).toEqual(["Modelfile", "README.md", "m.gguf"]);
  expect(Buffer.from(String(files.get("README.md")?.content), "base64").toString()).toBe(
    "---\nlibrary_name: gguf\n---\n",
  );
  writeFileSync(join(model, "README.md"), "# mine");
});

test("an adapter whose base lies on this machine is pushed with a warning", async () => {
  const lora = join(folder, "lora");
  mkdirSync(lora);
  const config = { peft_type: "LORA", r: 4, lora_alpha: 8, target_modules: ["q_proj"] };
  const write = (base: string) =>
    writeFileSync(
      join(lora, "adapter_config.json"),
      JSON.stringify({ ...config, base_model_name_or_path: base }),
    );
  writeFileSync(join(lora, "adapter_model.safetensors"), "weights");
  write(model);
  expect(await pushed({ model: lora })).toContain(`by a path of this machine (${model})`);
  expect([...inCommit().keys()]).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
  write("org/base");
  expect(await pushed({ model: lora })).not.toContain("warning");
});

describe("what cannot be pushed is one line", () => {
  test.each([
    ["repos/create", 401, /the token is not accepted; set HF_TOKEN to one of .*\/settings\/tokens/],
    ["repos/create", 403, /the token may not write there; give it write permission/],
    ["preupload", 403, /the token may not write there/],
    ["repos/create", 404, /there is no such user or organisation; check --push/],
    ["commit/main", 409, /was changed by someone else meanwhile; try again/],
    ["commit/main", 412, /was changed by someone else meanwhile; try again/],
    ["lfs/objects", 503, /the upload failed \(the hub answered 503\); try again/],
  ])("%s answered by %d", async (path, status, message) => {
    refusal = { [path]: status };
    await expect(pushed()).rejects.toThrow(message);
    expect(commits).toEqual([]);
  });

  test("no token, no line, no hub, no model", async () => {
    const { HF_TOKEN: _, ...none } = env;
    await expect(pushed({}, none)).rejects.toThrow(/--push needs a token that may write: set/);
    await expect(pushed({}, { ...env, HF_HUB_OFFLINE: "1" })).rejects.toThrow(/HF_HUB_OFFLINE/);
    const nowhere = { ...env, HF_ENDPOINT: "http://127.0.0.1:1" };
    await expect(pushed({}, nowhere)).rejects.toThrow(/the upload failed \(.*\); try again/);
    const check = (changes: object) => () =>
      requirePushable({ model, gguf: null, push: "org/name", ...changes });
    expect(check({ push: "name" })).toThrow(/--push takes a name on the hub, .* not name/);
    expect(check({ model: "embedded" })).toThrow(/--push takes a run or the folder of a model/);
    expect(check({ model: folder })).toThrow(/holds no weights to push/);
    check({ model: "embedded", gguf: "x.gguf" })();
  });
});
