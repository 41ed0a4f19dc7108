import { describe, expect, test } from "bun:test";
import { openEmbeddedModel } from "../../beyond/models/embedded.ts";
import { openModel } from "../../beyond/models/folder.ts";
import {
  encodeSafetensors,
  readTensor,
  type TensorSource,
} from "../../beyond/models/safetensors.ts";
import { openShards } from "../../beyond/models/shards.ts";
import { UserError } from "../../lib/errors.ts";
import { tensorShapes } from "../../lib/model/parameters.ts";

async function shardOf(...tensors: TensorSource[]): Promise<Blob> {
  return new Blob((await Array.fromAsync(encodeSafetensors(tensors))) as Uint8Array<ArrayBuffer>[]);
}
const tensor = (name: string, value: number, shape = [2]): TensorSource => ({
  name,
  shape,
  data: () => new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
});
const files: Record<string, Blob> = {
  "model-1.safetensors": await shardOf(tensor("a", 1), tensor("b", 2)),
  "model-2.safetensors": await shardOf(tensor("c", 3)),
};
const open = (index: unknown) =>
  openShards(
    typeof index === "string" ? index : JSON.stringify(index),
    (name) => files[name] ?? null,
    "m",
  );
const whole = { a: "model-1.safetensors", b: "model-1.safetensors", c: "model-2.safetensors" };

describe("sharded weights", () => {
  test("are one model", async () => {
    const tensors = await open({ metadata: { total_size: 24 }, weight_map: whole });
    expect([...tensors.keys()]).toEqual(["a", "b", "c"]);
    expect(await readTensor(tensors, "c")).toEqual(Float32Array.of(3, 3));
    expect(tensors.get("c")?.source).toBe("m/model-2.safetensors");
  });

  const outside = "which is not a file of the folder";
  const wrong: [string, unknown, string][] = [
    ["no JSON", "{", "is not a JSON object"],
    ["null", "null", "is not a JSON object"],
    ["no map", {}, "has no weight_map"],
    ["a path upwards", { weight_map: { a: "../../etc/passwd" } }, outside],
    ["a path upwards (Windows)", { weight_map: { a: "..\\x" } }, outside],
    ["an absolute path", { weight_map: { a: "/etc/passwd" } }, outside],
    ["the folder above", { weight_map: { a: ".." } }, outside],
    ["no name", { weight_map: { a: 7 } }, outside],
    ["a missing shard", { weight_map: { a: "model-3.safetensors" } }, "which is not there"],
    ["the wrong shard", { weight_map: { c: "model-1.safetensors" } }, "which does not have it"],
    ["a tensor left out", { weight_map: { ...whole, b: undefined } }, "does not list b of model-1"],
  ];
  test.each(wrong)("refuses %s", async (_, index, message) => {
    const opened = open(index);
    await expect(opened).rejects.toThrow(UserError);
    await expect(opened).rejects.toThrow(message);
    await expect(opened).rejects.toThrow(/^m\/model\.safetensors\.index\.json [^\n]*$/);
  });
});

test("a sharded model opens; what is missing, too much or misshapen in any shard is named", async () => {
  const base = await openEmbeddedModel({ weights: false });
  const texts: Record<string, string> = {
    ...base.files,
    "config.json": await Bun.file("models/base/config.json").text(),
  };
  const shapes = tensorShapes(base.config);
  const openWith = async (change: (shapes: Map<string, number[]>) => void) => {
    const changed = new Map(shapes);
    change(changed);
    const all = Array.from(changed, ([name, shape]) => tensor(name, 0, shape));
    const shards = { "1.safetensors": all.slice(0, 5), "2.safetensors": all.slice(5) };
    const map: Record<string, string> = {};
    const blobs: Record<string, Blob> = {};
    for (const [shard, tensors] of Object.entries(shards)) {
      blobs[shard] = await shardOf(...tensors);
      for (const { name } of tensors) map[name] = shard;
    }
    blobs["model.safetensors.index.json"] = new Blob([JSON.stringify({ weight_map: map })]);
    return openModel("m", (name) =>
      name in texts ? new Blob([texts[name]]) : (blobs[name] ?? null),
    );
  };
  expect((await openWith(() => {})).tensors.size).toBe(shapes.size);
  const broken = openWith((changed) => {
    changed.delete("model.norm.weight");
    changed.set("model.layers.0.mlp.up_proj.bias", [3]);
    changed.set("model.layers.0.input_layernorm.weight", [3]);
  });
  await expect(broken).rejects.toThrow(
    /missing: model.norm.weight; not expected: model.layers.0.mlp.up_proj.bias; of another shape: model.layers.0.input_layernorm.weight is \[3\]/,
  );
});
