import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportModel } from "../../beyond/export/model.ts";
import { openGgufFile } from "../../beyond/gguf/format.ts";
import { openGgufModel } from "../../beyond/gguf/open.ts";
import { encodeGguf } from "../../beyond/gguf/write.ts";
import { encodeValues } from "../../beyond/models/dtypes.ts";
import { openSafetensors, readTensor } from "../../beyond/models/safetensors.ts";
import { Tokenizer, type TokenizerFiles } from "../../beyond/models/tokenizer.ts";
import { exportSettings } from "../../beyond/settings/arguments.ts";
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

test.each(["Q8_0", "Q4_1"] as const)(
  "%s is quantised as the Python package gguf does",
  async (type) => {
    const path = `${import.meta.dir}/../golden/gguf-types.safetensors`;
    const stored = await openSafetensors(Bun.file(path), path);
    const source = await readTensor(stored, "source");
    const expected = await stored.get(`${type}.quantized`)?.bytes.bytes();
    expect(new Uint8Array(encodeValues(source, type))).toEqual(expected as Uint8Array<ArrayBuffer>);
  },
);

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

  test("arguments", () => {
    expect(exportSettings(["m", "--gguf", "o.gguf", "--type", "q8_0"])).toEqual({
      model: "m",
      gguf: "o.gguf",
      rollouts: null,
      type: "q8_0",
    });
    expect(() => exportSettings([])).toThrow(/export needs a model/);
    expect(() => exportSettings(["m"])).toThrow(/export needs the file to write: --gguf/);
    expect(() => exportSettings(["m", "n", "--gguf", "o"])).toThrow(/"n" is one too many/);
    expect(() => exportSettings(["m", "--gguf", "o", "--type", "q2"])).toThrow(/f16 or q8_0/);
  });
});
