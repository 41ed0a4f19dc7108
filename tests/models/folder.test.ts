import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loraShapes } from "../../beyond/lora/lora.ts";
import { chatTemplate } from "../../beyond/models/chat.ts";
import { parseModelConfig } from "../../beyond/models/config.ts";
import { descriptionFiles } from "../../beyond/models/folder.ts";
import { encodeSafetensors, readTensor } from "../../beyond/models/safetensors.ts";
import { openNamedModel } from "../../beyond/opening/named-model.ts";
import { tensorShapes } from "../../lib/model/parameters.ts";

const folder = mkdtempSync(join(tmpdir(), "folder-"));
afterAll(() => rmSync(folder, { recursive: true }));
const base = join(import.meta.dir, "../../models/base");
const json = {
  ...JSON.parse(readFileSync(join(base, "config.json"), "utf8")),
  tie_word_embeddings: true,
};
const shapes = tensorShapes(parseModelConfig(JSON.stringify(json), "c"));
const EMBEDDING = "model.embed_tokens.weight";
const shapeOf = (name: string) => shapes.get(name === "lm_head.weight" ? EMBEDDING : name) ?? [];

async function write(path: string, values: Iterable<[string, readonly number[], number]>) {
  const sources = Array.from(values, ([name, shape, value]) => ({
    name,
    shape,
    data: async () => new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
  }));
  await Bun.write(path, new Blob(await Array.fromAsync(encodeSafetensors(sources))));
}

/** A tied model with a head, and perhaps without an embedding. */
async function tied(name: string, head: number, without = "") {
  const path = join(folder, name);
  mkdirSync(path);
  const names = [...shapes.keys(), "lm_head.weight"].filter((tensor) => tensor !== without);
  const fillOf = (tensor: string) => (tensor === "lm_head.weight" ? head : 1);
  await write(
    join(path, "model.safetensors"),
    names.map((tensor) => [tensor, shapeOf(tensor), fillOf(tensor)]),
  );
  writeFileSync(join(path, "config.json"), JSON.stringify(json));
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) {
    writeFileSync(join(path, file), readFileSync(join(base, file)));
  }
  return openNamedModel(path);
}

describe("under tie_word_embeddings, a head in the file", () => {
  test("is used where it differs from the embedding, and the user is told", async () => {
    const model = await tied("own", 2);
    expect(model.config.tieWordEmbeddings).toBe(false);
    expect((await readTensor(model.tensors, "lm_head.weight"))[0]).toBe(2);
    expect(model.notes?.join()).toContain("lm_head.weight differs from the embedding");
  });
  test("is the embedding where it equals it, or where there is no other", async () => {
    expect((await tied("same", 1)).config.tieWordEmbeddings).toBe(true);
    const model = await tied("alone", 3, EMBEDDING);
    expect(model.config.tieWordEmbeddings).toBe(true);
    expect((await readTensor(model.tensors, EMBEDDING))[0]).toBe(3);
  });
});

test("an adapter's own tokenizer and chat template are used, and saved with it", async () => {
  const path = join(folder, "adapter");
  mkdirSync(path);
  const lora = { rank: 4, alpha: 8, targets: ["q_proj"] as const };
  const { config } = await tied("base", 1);
  await write(
    join(path, "adapter_model.safetensors"),
    Array.from(loraShapes(config, lora), ([name, shape]) => [name, shape, 0]),
  );
  const adapter = {
    peft_type: "LORA",
    base_model_name_or_path: join(folder, "base"),
    r: 4,
    lora_alpha: 8,
    target_modules: ["q_proj"],
  };
  writeFileSync(join(path, "adapter_config.json"), JSON.stringify(adapter));
  writeFileSync(join(path, "chat_template.jinja"), "own");
  const model = await openNamedModel(path);
  expect(chatTemplate(model.files)).toBe("own");
  expect(model.files["tokenizer.json"]).toBe(readFileSync(join(base, "tokenizer.json"), "utf8"));
  expect(descriptionFiles(model)["chat_template.jinja"]).toBe("own");
  writeFileSync(join(path, "tokenizer.json"), '{"mine": 1}');
  expect((await openNamedModel(path)).files).toMatchObject({
    "tokenizer.json": '{"mine": 1}',
    "chat_template.jinja": "own",
  });
});

test("an adapter of any rank is one whose rank is a multiple of 4, and rsLoRA scales by the root", async () => {
  const path = join(folder, "rank-6");
  mkdirSync(path);
  const { config } = await tied("base-6", 1);
  const lora = { rank: 6, alpha: 3, targets: ["q_proj"] as const };
  await write(
    join(path, "adapter_model.safetensors"),
    Array.from(loraShapes(config, lora), ([name, shape]) => [name, shape, 1]),
  );
  const write6 = (more: object) =>
    writeFileSync(
      join(path, "adapter_config.json"),
      JSON.stringify({
        peft_type: "LORA",
        base_model_name_or_path: join(folder, "base-6"),
        r: 6,
        lora_alpha: 3,
        target_modules: ["q_proj"],
        ...more,
      }),
    );
  write6({});
  const opened = (await openNamedModel(path)).lora;
  expect(opened?.config).toEqual({ rank: 8, alpha: 4, targets: ["q_proj"] });
  for (const [name, { shape }] of opened?.tensors ?? []) {
    const values = await readTensor(opened?.tensors ?? new Map(), name);
    const filled = values.filter((value) => value === 1).length;
    expect([shape.includes(8), filled]).toEqual([true, (values.length * 6) / 8]);
    expect(Array.from(values.slice(0, 6))).toEqual(Array(6).fill(1));
    if (name.includes("lora_B")) expect(values[6]).toBe(0);
  }
  write6({ use_rslora: true });
  const scaled = (await openNamedModel(path)).lora?.config;
  expect((scaled?.alpha ?? 0) / (scaled?.rank ?? 1)).toBeCloseTo(3 / Math.sqrt(6));
});
