import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openNamedModel, prompterOf } from "../../beyond/opening/named-model.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-named-"));
const before = process.cwd();
const offline = process.env.HF_HUB_OFFLINE;
beforeAll(() => {
  process.chdir(folder);
  process.env.HF_HUB_OFFLINE = "1";
});
afterAll(() => {
  process.chdir(before);
  if (offline === undefined) delete process.env.HF_HUB_OFFLINE;
  else process.env.HF_HUB_OFFLINE = offline;
  rmSync(folder, { recursive: true });
});

test("a name whose first part is a folder here is told apart from one of the hub", async () => {
  mkdirSync("models/mine", { recursive: true });
  await expect(openNamedModel("models/mien")).rejects.toThrow(
    /^no such folder is in models, nor was a model found: models\/mien .*HF_HUB_OFFLINE/,
  );
  await expect(openNamedModel("nobody/mine")).rejects.toThrow(/^nobody\/mine .*HF_HUB_OFFLINE/);
});

test("an adapter whose base cannot be opened is named", async () => {
  mkdirSync("lora");
  const config = { peft_type: "LORA", r: 4, lora_alpha: 8, target_modules: ["q_proj"] };
  writeFileSync(
    "lora/adapter_config.json",
    JSON.stringify({ ...config, base_model_name_or_path: "nobody/base" }),
  );
  await expect(openNamedModel("lora")).rejects.toThrow(
    /^lora is an adapter, and its base cannot be opened: nobody\/base /,
  );
  // a machine of a cluster may have the base elsewhere
  await expect(openNamedModel("lora", {}, "/other/base")).rejects.toThrow(
    /^lora is an adapter, and its base cannot be opened: \/other\/base: no such model folder/,
  );
});

test("what ends a completion is said, --stop too", async () => {
  cpSync(join(import.meta.dir, "../golden/gguf-qwen2.gguf"), "m.gguf");
  const model = await openNamedModel("m.gguf", { weights: false });
  const notes: string[] = [];
  const settings = { systemPrompt: null, promptTemplate: "{question}", chatTemplateKwargs: null };
  prompterOf(model, { ...settings, model: "m.gguf", stop: ["\n\n", "|"] }, (t) => notes.push(t));
  expect(notes.at(-1)).toEndWith(', or after "\\n\\n" (--stop), or after "|" (--stop)');
});
