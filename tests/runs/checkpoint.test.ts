import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseModelConfig } from "../../beyond/models/config.ts";
import { openModelFolder } from "../../beyond/models/folder.ts";
import { readTensor, type TensorSource } from "../../beyond/models/safetensors.ts";
import { diskError, isIntact, writeDurably } from "../../beyond/platform/files.ts";
import {
  checkpointPath,
  checkpointSteps,
  latestCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
} from "../../beyond/runs/checkpoint.ts";
import { UserError } from "../../lib/errors.ts";
import { tensorShapes } from "../../lib/model/parameters.ts";
import { layOutAsBefore } from "./old-checkpoint.ts";

const asIs = (state: unknown) => state as { drawn: number };
const root = mkdtempSync(join(tmpdir(), "checkpoint-"));
afterAll(() => rmSync(root, { recursive: true }));
let runs = 0;
function newRun() {
  const run = join(root, `run-${runs++}`);
  mkdirSync(run);
  return run;
}

const configText = `{
  "architectures": ["LlamaForCausalLM"],
  "vocab_size": 10,
  "hidden_size": 8,
  "intermediate_size": 12,
  "num_hidden_layers": 1,
  "num_attention_heads": 2,
  "num_key_value_heads": 1,
  "max_position_embeddings": 32,
  "rms_norm_eps": 1e-06,
  "eos_token_id": 9,
  "pad_token_id": 7
}`;
const config = parseModelConfig(configText, "config.json");
const files = { "tokenizer.json": '{"model":{}}', "tokenizer_config.json": "{}" };

const weights = (value: number): TensorSource[] =>
  [...tensorShapes(config)].map(([name, shape]) => ({
    name,
    shape,
    data: () => new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
  }));
const moments: TensorSource[] = [{ name: "m", shape: [2], data: () => Float32Array.of(1, 2) }];
const save = (run: string, step: number, tensors = weights(step)) =>
  saveCheckpoint(run, step, {
    model: { config, configText, files },
    weights: tensors,
    optimizer: moments,
    state: { drawn: step * 16, best: null },
  });

describe("a checkpoint", () => {
  test("is a Hugging Face model folder with the trainer's state", async () => {
    const run = newRun();
    const path = await save(run, 5);
    expect(readdirSync(path).sort()).toEqual([
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
      "trainer",
    ]);
    expect(readdirSync(join(path, "trainer")).sort()).toEqual([
      "optimizer.safetensors",
      "trainer_state.json",
    ]);
    const model = await openModelFolder(path);
    expect(model.config).toEqual(config);
    expect(model.files["tokenizer.json"]).toBe(files["tokenizer.json"]);

    const checkpoint = await latestCheckpoint(run, asIs);
    expect(checkpoint?.step).toBe(5);
    expect(checkpoint?.state).toMatchObject({ drawn: 80, best: null });
    expect(await readTensor(checkpoint!.tensors, "model.norm.weight")).toEqual(
      new Float32Array(8).fill(5),
    );
    expect(await readTensor(checkpoint!.optimizer, "m")).toEqual(Float32Array.of(1, 2));
  });

  test("has the model's own files byte for byte, and every number of its config.json", async () => {
    const own = { ...files, "generation_config.json": '{"temperature":0.60,\r\n "top_k":7}' };
    const bytes = Uint8Array.of(10, 255, 0, 13);
    const run = newRun();
    const path = await saveCheckpoint(run, 1, {
      model: { config, configText, files: own, sentencePiece: new Blob([bytes]) },
      weights: weights(1),
      card: "# mine",
      optimizer: [],
      state: {},
    });
    expect(readFileSync(join(path, "README.md"), "utf8")).toBe("# mine");
    for (const [name, text] of Object.entries(own)) {
      expect(readFileSync(join(path, name), "utf8")).toBe(text);
    }
    expect(new Uint8Array(readFileSync(join(path, "tokenizer.model")))).toEqual(bytes);
    const text = readFileSync(join(path, "config.json"), "utf8");
    expect(text).toContain('"rms_norm_eps": 1e-06');
    expect(JSON.parse(text)).toEqual({ ...JSON.parse(configText), torch_dtype: "float32" });
    // the card alone may be written on
    writeFileSync(join(path, "README.md"), "# mine, and more");
    expect((await latestCheckpoint(run, asIs))?.step).toBe(1);
  });

  test("the newest is taken by number; halves and strangers are not", async () => {
    const run = newRun();
    expect(await latestCheckpoint(run, asIs)).toBe(null);
    await save(run, 9);
    await save(run, 10);
    mkdirSync(join(run, "checkpoint-12.partial"));
    mkdirSync(join(run, "checkpoint-old"));
    expect(checkpointSteps(run)).toEqual([9, 10]);
    expect((await latestCheckpoint(run, asIs))?.step).toBe(10);
  });

  test("that cannot be finished leaves nothing, and the one before as it was", async () => {
    const run = newRun();
    await save(run, 1);
    const failing = weights(2).map((tensor, i) => ({
      ...tensor,
      data: () => {
        if (i < 3) return tensor.data();
        throw Object.assign(new Error("write"), { code: "ENOSPC" });
      },
    }));
    const saved = save(run, 2, failing);
    await expect(saved).rejects.toThrow(UserError);
    await expect(saved).rejects.toThrow(/checkpoint-2.*disk is full; free some space.*--resume/);
    expect(readdirSync(run)).toEqual(["checkpoint-1"]);
    expect((await latestCheckpoint(run, asIs))?.step).toBe(1);
  });

  test("replaces one of the same step", async () => {
    const run = newRun();
    await save(run, 1);
    await save(run, 1, weights(8));
    const checkpoint = await latestCheckpoint(run, asIs);
    expect((await readTensor(checkpoint!.tensors, "model.norm.weight"))[0]).toBe(8);
  });
});

describe("a damaged checkpoint names its file and the way on", () => {
  const damages: [string, (path: string) => void][] = [
    ["model.safetensors", (path) => truncateSync(join(path, "model.safetensors"), 500)],
    [
      "trainer/optimizer.safetensors",
      (path) => rmSync(join(path, "trainer/optimizer.safetensors")),
    ],
    ["trainer/trainer_state.json", (path) => rmSync(join(path, "trainer/trainer_state.json"))],
    [
      "trainer/trainer_state.json",
      (path) => truncateSync(join(path, "trainer/trainer_state.json"), 30),
    ],
    [
      "trainer/trainer_state.json",
      (path) => writeFileSync(join(path, "trainer/trainer_state.json"), "{}"),
    ],
    ["trainer/trainer_state.json", (path) => replaceIn(path, '"drawn": 32', '"drawn": 48')],
    ["trainer/trainer_state.json", (path) => replaceIn(path, '"step": 2', '"step": 1')],
    [
      "model.safetensors",
      (path) => {
        const bytes = readFileSync(join(path, "model.safetensors"));
        bytes[bytes.length - 9] ^= 1;
        writeFileSync(join(path, "model.safetensors"), bytes);
      },
    ],
  ];
  test.each(damages)("%s", async (name, damage) => {
    const run = newRun();
    await save(run, 1);
    damage(await save(run, 2));
    const message = new RegExp(
      `checkpoint-2/${name} is corrupt or truncated; delete .*checkpoint-2 to go on from step 1`,
    );
    await expect(latestCheckpoint(run, asIs)).rejects.toThrow(message);
    rmSync(checkpointPath(run, 2), { recursive: true });
    expect((await latestCheckpoint(run, asIs))?.step).toBe(1);
  });
});

function replaceIn(path: string, text: string, by: string) {
  const file = join(path, "trainer", "trainer_state.json");
  const before = readFileSync(file, "utf8");
  expect(before).toContain(text);
  writeFileSync(file, before.replace(text, by));
}

test("a checkpoint under another name is refused, with the name it had", async () => {
  const run = newRun();
  renameSync(await save(run, 2), checkpointPath(run, 4));
  await expect(latestCheckpoint(run, asIs)).rejects.toThrow(
    /checkpoint-4 is the checkpoint of step 2 under another name; call it checkpoint-2 again/,
  );
});

test("a state without a checksum is one of an older version; what is no state is refused", async () => {
  const run = newRun();
  const file = join(await save(run, 2), "trainer", "trainer_state.json");
  const { check: _, ...old } = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify(old));
  expect((await latestCheckpoint(run, asIs))?.state.drawn).toBe(32);
  const refuse = () => {
    throw new Error("no state");
  };
  await expect(latestCheckpoint(run, refuse)).rejects.toThrow(/trainer_state.json is corrupt/);
});

test("an older checkpoint, with the trainer's files among the model's, is read and checked", async () => {
  const run = newRun();
  const path = await save(run, 2);
  layOutAsBefore(path);
  const checkpoint = await latestCheckpoint(run, asIs);
  expect(checkpoint?.state.drawn).toBe(32);
  expect(await readTensor(checkpoint!.optimizer, "m")).toEqual(Float32Array.of(1, 2));
  truncateSync(join(path, "optimizer.safetensors"), 90);
  await expect(latestCheckpoint(run, asIs)).rejects.toThrow(
    /checkpoint-2\/optimizer.safetensors is corrupt or truncated; delete/,
  );
});

test("pruning keeps the newest and the best, and sweeps up halves", async () => {
  const run = newRun();
  for (const step of [1, 2, 3, 4, 5]) await save(run, step);
  mkdirSync(join(run, "checkpoint-6.partial"));
  mkdirSync(join(run, "checkpoint-1.old.partial"));
  pruneCheckpoints(run, { limit: 2, every: 1, keep: [2] });
  expect(readdirSync(run).sort()).toEqual(["checkpoint-2", "checkpoint-4", "checkpoint-5"]);
  pruneCheckpoints(run, { limit: 1, every: 1 });
  expect(readdirSync(run)).toEqual(["checkpoint-5"]);
});

test("what an interruption saved goes before what the run would have kept", async () => {
  const run = newRun();
  const saveAndPrune = async (...steps: number[]) => {
    for (const step of steps) {
      await save(run, step);
      pruneCheckpoints(run, { limit: 3, every: 2 });
    }
    return checkpointSteps(run);
  };
  expect(await saveAndPrune(2, 4, 5)).toEqual([2, 4, 5]);
  expect(await saveAndPrune(6)).toEqual([2, 4, 6]);
  // the newest is never the one to go
  expect(await saveAndPrune(7)).toEqual([4, 6, 7]);
});

describe("a model folder", () => {
  test("without its files is refused, naming the file", async () => {
    const run = newRun();
    expect(() => openModelFolder(join(run, "none"))).toThrow(/no such model folder/);
    await expect(openModelFolder(run)).rejects.toThrow(/has no config.json; give a Hugging Face/);
    const path = await save(run, 1);
    rmSync(join(path, "tokenizer.json"));
    await expect(openModelFolder(path)).rejects.toThrow(/has no tokenizer.json/);
    writeFileSync(join(path, "tokenizer.json"), "{}");
    rmSync(join(path, "model.safetensors"));
    await expect(openModelFolder(path)).rejects.toThrow(/has no model.safetensors;/);
    expect((await openModelFolder(path, { weights: false })).config).toEqual(config);
    writeFileSync(join(path, "model.safetensors.index.json"), "{}");
    await expect(openModelFolder(path)).rejects.toThrow(/index.json has no weight_map;/);
  });
});

describe("files", () => {
  test("are written with a checksum that finds one changed byte", async () => {
    const path = join(root, "sum");
    const pieces = [Uint8Array.of(1, 2), new Uint8Array(0), new Uint8Array(70_000).fill(3)];
    const check = await writeDurably(path, pieces);
    expect(check.bytes).toBe(70_002);
    expect(await isIntact(path, check)).toBe(true);
    const bytes = readFileSync(path);
    bytes[100] = 4;
    writeFileSync(path, bytes);
    expect(await isIntact(path, check)).toBe(false);
  });

  test("a full disk and a forbidden place are one clear line", async () => {
    if (existsSync("/dev/full")) {
      const full = writeDurably("/dev/full", [new Uint8Array(10)]);
      await expect(full).rejects.toThrow(/^\/dev\/full: the disk is full/);
    }
    const forbidden = diskError(Object.assign(new Error(), { code: "EACCES" }), "/x");
    expect(forbidden).toBeInstanceOf(UserError);
    expect(String(forbidden)).toContain("/x: no permission");
    const other = new TypeError("a bug");
    expect(diskError(other, "/x")).toBe(other);
  });
});
