import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Program, parseLines } from "./program.ts";

const TEMPLATE =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}" +
  "<|im_start|>assistant\n{% if enable_thinking is defined and not enable_thinking %}none {% endif %}";

/** A random model in two folders: `chat` with a chat template, `plain` without one. */
let program: Program;
beforeAll(async () => {
  program = await Program.build();
  cpSync(join(import.meta.dir, "../golden/gguf-qwen2.gguf"), program.path("m.gguf"));
  program.write("rows.jsonl", [{ prompt: "a", completion: "b" }]);
  const flags = "--model m.gguf --max-steps 1 --learning-rate 0 --output-dir run --quiet";
  await program.succeed(`sft rows.jsonl ${flags}`);
  sharpen(program.path("run", "checkpoint-1", "model.safetensors"));
  for (const [name, chat_template] of Object.entries({ chat: TEMPLATE, plain: undefined })) {
    cpSync(program.path("run", "checkpoint-1"), program.path(name), { recursive: true });
    change(`${name}/tokenizer_config.json`, { chat_template });
  }
});
afterAll(() => program?.remove());

/** Makes random weights ten times as large, so that completions depend on the prompt. */
function sharpen(path: string): void {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  for (let at = start; at < bytes.length; at += 4) {
    bytes.writeFloatLE(10 * bytes.readFloatLE(at), at);
  }
  writeFileSync(path, bytes);
}

function change(file: string, changes: object): void {
  const json = JSON.parse(readFileSync(program.path(file), "utf8"));
  writeFileSync(program.path(file), JSON.stringify({ ...json, ...changes }));
}

/** The completions of a question, which depend on every token of the prompt. */
async function sample(model: string, question: string, ...flags: string[]) {
  const common = ["-n", "2", "--max-completion-length", "12", "--seed", "7", "--json"];
  const stdout = await program.succeed(["sample", question, "--model", model, ...common, ...flags]);
  return parseLines(stdout).map(({ completion, finished }) => ({ completion, finished }));
}

test("a prompt is what chat template, system prompt, prompt template and variables make of it", async () => {
  const flags = ["--prompt-template", "Q: {question}\nAgain: {question}"];
  const user = "Q: 1+1?\nAgain: 1+1?";
  const turns = `<|im_start|>user\n${user}<|im_end|>\n<|im_start|>assistant\n`;
  const system = "<|im_start|>system\nBe brief.<|im_end|>\n";
  const brief = ["--system-prompt", "Be brief."];
  const silent = ["--chat-template-kwargs", '{"enable_thinking": false}'];
  const prompts: [flags: string[], prompt: string][] = [
    [flags, turns],
    [[...flags, ...brief], system + turns],
    [[...flags, ...brief, ...silent], `${system}${turns}none `],
  ];
  const seen = new Set<string>();
  for (const [flags, prompt] of prompts) {
    const completions = await sample("chat", "1+1?", ...flags);
    expect(completions).toEqual(await sample("plain", prompt));
    seen.add(JSON.stringify(completions));
  }
  expect(seen.size).toBe(prompts.length);
  expect(await sample("plain", "1+1?", ...brief)).toEqual(
    await sample("plain", "Be brief.\n\n1+1?"),
  );
});

test("a completion ends at a token that generation_config.json names", async () => {
  const [before] = await sample("plain", "1+1?", "--top-k", "1");
  expect(before.finished).toBe(false);
  const vocab: Record<string, number> = JSON.parse(
    readFileSync(program.path("plain/tokenizer.json"), "utf8"),
  ).model.vocab;
  const [start] = before.completion;
  const ends = Object.entries(vocab).filter(([token]) => token.startsWith(start));
  writeFileSync(
    program.path("plain/generation_config.json"),
    JSON.stringify({ eos_token_id: [2, ...ends.map(([, id]) => id)] }),
  );
  const [after] = await sample("plain", "1+1?", "--top-k", "1");
  expect(after.finished).toBe(true);
  expect(before.completion).toStartWith(after.completion);
  expect(after.completion.length).toBeLessThan(before.completion.length);
});

test("chat: each line is a turn, and the model gets the whole conversation", async () => {
  const greedy = ["--top-k", "1", "--max-completion-length", "12", "--system", "S", "--json"];
  const input = "1+1?\n\n2+2?\n/reset\n1+1?\n/quit\n3+3?\n";
  const stdout = await program.succeed(["chat", "chat", ...greedy], { input });
  const turns = parseLines(stdout);
  expect(turns.map(({ prompt }) => prompt)).toEqual(["1+1?", "2+2?", "1+1?"]);
  const said = (role: string, content: string) => ({ role, content });
  const first = [said("system", "S"), said("user", "1+1?")];
  const second = [...first, said("assistant", turns[0].completion), said("user", "2+2?")];
  const asked = async (conversation: object[]) =>
    (await sample("chat", JSON.stringify(conversation), "--top-k", "1"))[0].completion;
  expect(turns[0].completion).toBe(await asked(first));
  expect(turns[1].completion).toBe(await asked(second));
  expect(turns[2]).toEqual(turns[0]);
  expect(turns[1].completion).not.toBe(turns[0].completion);
});
