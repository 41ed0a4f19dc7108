import { afterAll, describe, expect, spyOn, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportModel } from "../../beyond/export/model.ts";
import { typesAsIn } from "../../beyond/export/types.ts";
import { openGgufFile } from "../../beyond/gguf/format.ts";
import { openGgufModel } from "../../beyond/gguf/open.ts";
import { encodeGguf } from "../../beyond/gguf/write.ts";
import { encodeValues } from "../../beyond/models/dtypes.ts";
import { openSafetensors, readTensor } from "../../beyond/models/safetensors.ts";
import { Tokenizer, type TokenizerFiles } from "../../beyond/models/tokenizer.ts";
import { openNamedModel } from "../../beyond/opening/named-model.ts";
import { saveCheckpoint } from "../../beyond/runs/checkpoint.ts";
import { type RunConfig, RunFolder } from "../../beyond/runs/folder.ts";
import { exportSettings } from "../../beyond/settings/arguments.ts";
import type { ExportSettings } from "../../beyond/settings/files.ts";
import { tensorShapes } from "../../lib/model/parameters.ts";
import golden from "../golden/tokenizer.json";

const folder = mkdtempSync(join(tmpdir(), "export-"));
afterAll(() => rmSync(folder, { recursive: true }));
const original = (name: string) => `${import.meta.dir}/../golden/gguf-${name}.gguf`;

describe.each(["llama", "qwen2", "qwen3"])("%s", (name) => {
  test("written as f16 and read back, it is the same model", async () => {
    const before = await openGgufModel(original(name));
    const path = join(folder, `${name}-f16.gguf`);
    await exportModel({ model: original(name), gguf: path, type: "f16" });
    const after = await openGgufModel(path);
    expect(after.config).toEqual(before.config);
    expect([...after.tensors.keys()].sort()).toEqual([...before.tensors.keys()].sort());
    for (const key of before.tensors.keys()) {
      const expected = await readTensor(before.tensors, key);
      const found = await readTensor(after.tensors, key);
      // vectors in full, matrices rounded to half precision
      const isVector = before.tensors.get(key)?.shape.length === 1;
      expect([key, found]).toEqual([
        key,
        isVector ? expected : new Float32Array(new Float16Array(expected)),
      ]);
    }
    const [was, is] = [before, after].map((model) => {
      return new Tokenizer(model.files as TokenizerFiles, "m");
    });
    for (const text of golden.corpus) expect(is.encode(text)).toEqual(was.encode(text));
    expect([is.prefixIds, is.eosId]).toEqual([was.prefixIds, was.eosId]);
    expect(after.files).toEqual(before.files);
  });

  test("written as q8_0, every weight is within half a step", async () => {
    const before = await openGgufModel(original(name));
    const path = join(folder, `${name}-q8.gguf`);
    await exportModel({ model: original(name), gguf: path, type: "q8_0" });
    const after = await openGgufModel(path);
    for (const key of before.tensors.keys()) {
      const expected = await readTensor(before.tensors, key);
      const found = await readTensor(after.tensors, key);
      const step = Math.max(...expected.map(Math.abs)) / 127;
      const worst = Math.max(...found.map((x, i) => Math.abs(x - expected[i])));
      expect(worst).toBeLessThan(0.6 * step);
    }
    const types = new Set(
      [...(await openGgufFile(Bun.file(path), path)).tensors.values()].map((t) => t.dtype),
    );
    expect(types).toEqual(new Set(["F32", "Q8_0"]));
  });
});

test.each(["BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"] as const)(
  "%s is quantised as the Python package gguf does",
  async (type) => {
    const path = `${import.meta.dir}/../golden/gguf-types.safetensors`;
    const stored = await openSafetensors(Bun.file(path), path);
    const source = await readTensor(stored, "source");
    const expected = await stored.get(`${type}.quantized`)?.bytes.bytes();
    expect(new Uint8Array(encodeValues(source, type))).toEqual(expected as Uint8Array<ArrayBuffer>);
  },
);

describe("types", () => {
  const typesIn = async (path: string) => {
    const { tensors, metadata } = await openGgufFile(Bun.file(path), path);
    const types = new Map([...tensors].map(([name, { dtype }]) => [name, dtype]));
    return { types, fileType: metadata.get("general.file_type") };
  };
  let files = 0;
  const exported = async (model: string, type: ExportSettings["type"]) => {
    const gguf = join(folder, `types-${++files}.gguf`);
    await exportModel({ model, gguf, type });
    return gguf;
  };

  test("q4_0 and q4_1 leave embedding and head in q8_0", async () => {
    for (const [type, number] of [
      ["q4_0", 2],
      ["q4_1", 3],
    ] as const) {
      const { types, fileType } = await typesIn(await exported(original("qwen2"), type));
      expect(types.get("token_embd.weight")).toBe("Q8_0");
      expect(types.get("blk.0.attn_q.weight")).toBe(type.toUpperCase());
      expect(types.get("blk.0.attn_norm.weight")).toBe("F32");
      expect(fileType).toBe(number);
    }
  });

  test("source: each as in that file; what is not written is said", async () => {
    const said = spyOn(console, "log").mockImplementation(() => {});
    try {
      const q4 = await exported(original("qwen2"), "q4_0");
      const again = await exported(q4, "source");
      expect((await typesIn(again)).types).toEqual((await typesIn(q4)).types);
      expect(said.mock.calls.flat().join("\n")).not.toContain("become");
      const { types } = await typesIn(original("llama"));
      expect(new Set(types.values()).size).toBeGreaterThan(3);
      const kept = (await typesIn(await exported(original("llama"), "source"))).types;
      expect(kept).toEqual(types);
    } finally {
      said.mockRestore();
    }
  });

  test("source: types that are not written become q8_0, which is said", () => {
    const stored = (dtype: string) => ({ dtype, shape: [], bytes: new Blob(), source: "" });
    const types = { a: "Q4_K", b: "Q6_K", c: "Q4_K", "model.embed_tokens.weight": "Q5_1" };
    const tensors = new Map(Object.entries(types).map(([name, type]) => [name, stored(type)]));
    const notes: string[] = [];
    const typeOf = typesAsIn(tensors, (text) => notes.push(text));
    expect(["a", "b", "lm_head.weight"].map(typeOf)).toEqual(["Q8_0", "Q8_0", "Q5_1"]);
    expect(notes).toEqual([
      "3 tensors of type Q4_K and Q6_K, which are not written here, become Q8_0",
    ]);
  });

  test("source: a run, and a run that began with it, lead to the file they began with", async () => {
    const base = await exported(original("qwen2"), "q4_1");
    let model = base;
    for (const name of ["first", "second"]) {
      const run = RunFolder.create(join(folder, name), "d");
      const none = { versions: {}, adapter: {}, tuning: {} };
      run.writeConfig({ settings: { model }, ...none } as unknown as RunConfig<object>);
      run.appendMetrics({ step: 1 });
      const opened = await openNamedModel(model);
      const weights = Array.from(tensorShapes(opened.config), ([name, shape]) => ({
        name,
        shape,
        data: () => readTensor(opened.tensors, name),
      }));
      await saveCheckpoint(run.path, 1, { model: opened, weights, optimizer: [], state: {} });
      model = run.path;
    }
    expect((await typesIn(await exported(model, "source"))).types).toEqual(
      (await typesIn(base)).types,
    );
    await expect(exported("embedded", "source")).rejects.toThrow(
      /--type source: embedded is no GGUF file, and no run that began with one; choose another/,
    );
  });
});

test("one tensor at a time is asked for", async () => {
  const asked: string[] = [];
  const tensor = (name: string) => ({
    name,
    shape: [2],
    type: "F32" as const,
    data: () => {
      asked.push(name);
      return new Float32Array(2);
    },
  });
  const pieces = encodeGguf([], [tensor("a"), tensor("b")]);
  await pieces.next();
  expect(asked).toEqual([]);
  await pieces.next();
  expect(asked).toEqual(["a"]);
});

describe("refused in one line", () => {
  test("a tokenizer that GGUF does not know; nothing is left behind", async () => {
    const path = join(folder, "embedded.gguf");
    const exported = exportModel({ model: "embedded", gguf: path, type: "f16" });
    await expect(exported).rejects.toThrow(
      /GGUF has no name for the way its tokenizer splits words/,
    );
    expect(readdirSync(folder).filter((name) => name.startsWith("embedded"))).toEqual([]);
  });

  test("a file that is there already, a folder that is not", async () => {
    const path = join(folder, "there.gguf");
    writeFileSync(path, "mine");
    const model = original("qwen2");
    await expect(exportModel({ model, gguf: path, type: "f16" })).rejects.toThrow(/already exists/);
    expect(await Bun.file(path).text()).toBe("mine");
    const nowhere = join(folder, "no", "x.gguf");
    await expect(exportModel({ model, gguf: nowhere, type: "f16" })).rejects.toThrow(
      /no such file or folder/,
    );
    expect(existsSync(nowhere)).toBe(false);
  });

  test("a Modelfile that is there already, before anything is written", async () => {
    const path = join(folder, "ollama", "m.gguf");
    mkdirSync(join(folder, "ollama"));
    const settings = { model: original("qwen2"), gguf: path, type: "q8_0", ollama: true } as const;
    await exportModel(settings);
    const beside = join(folder, "ollama", "Modelfile");
    expect(readFileSync(beside, "utf8")).toContain("\nFROM ./m.gguf\n");
    rmSync(path);
    await expect(exportModel(settings)).rejects.toThrow(
      /Modelfile already exists; choose a --gguf/,
    );
    expect(readdirSync(join(folder, "ollama"))).toEqual(["Modelfile"]);
  });

  test("arguments", () => {
    expect(exportSettings(["m", "--gguf", "o.gguf", "--type", "q8_0"])).toEqual({
      model: "m",
      gguf: "o.gguf",
      rollouts: null,
      push: null,
      public: false,
      type: "q8_0",
      ollama: false,
    });
    expect(exportSettings(["m", "--push", "a/b", "--public"])).toMatchObject({
      push: "a/b",
      public: true,
      gguf: null,
    });
    expect(() => exportSettings(["m", "--gguf", "o", "--public"])).toThrow(
      "--public is for --push: leave it out",
    );
    expect(() => exportSettings(["m", "--push", "a/b", "--type", "f16"])).toThrow(
      "--type is for --gguf: leave it out",
    );
    expect(() => exportSettings(["m", "--rollouts", "o.jsonl", "--push", "a/b"])).toThrow(
      "--push uploads models, and no rollouts: leave it out",
    );
    expect(() => exportSettings(["r", "--rollouts", "o.jsonl", "--ollama"])).toThrow(
      "--ollama is for --gguf: leave it out",
    );
    expect(() => exportSettings([])).toThrow(/export needs a model/);
    expect(() => exportSettings(["m"])).toThrow(/export needs what to write: --gguf/);
    expect(() => exportSettings(["m", "n", "--gguf", "o"])).toThrow(/"n" is one too many/);
    expect(() => exportSettings(["m", "--gguf", "o", "--type", "q2"])).toThrow(/f16 or q8_0/);
  });
});
