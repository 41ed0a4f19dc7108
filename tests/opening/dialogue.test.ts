import { expect, test } from "bun:test";
import { TextStream } from "../../beyond/models/text-stream.ts";
import type { Tokenizer } from "../../beyond/models/tokenizer.ts";
import { Dialogue, type DialogueSettings } from "../../beyond/opening/dialogue.ts";
import type { Asked } from "../../lib/data/questions.ts";
import { fakePolicy, tokenizer } from "../fakes.ts";

const usual: DialogueSettings = {
  promptTemplate: "{question}",
  maxLength: 100,
  context: 200,
  maxCompletionLength: 40,
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  stop: [],
  seed: 1,
};

/** A prompt is what each turn says, a line each; the last as the template has it. */
const encodePrompt = ({ question, turns = [] }: Asked) => {
  if (question.includes("*")) throw new Error("unreadable");
  return Array.from(turns.map(({ content }) => `${content}\n`).join(""), (c) => c.charCodeAt(0));
};

function open(say: (prompt: string, step: number) => string, settings = {}) {
  const fake = fakePolicy({ say: (prompt, _, step) => say(prompt, step) });
  const decode = (ids: readonly number[]) => tokenizer.decode(ids, true).replaceAll("@", "😀");
  const own = {
    decode,
    decodeTokens: (ids: readonly number[]) => ({ text: decode(ids), starts: [] }),
    stream: () => new TextStream(decode),
  } as unknown as Tokenizer;
  const policy = { ...fake.policy, tokenizer: own };
  const dialogue = new Dialogue(policy, { encodePrompt }, { ...usual, ...settings });
  const pieces: string[] = [];
  const say_ = (text: string, isStopped?: () => boolean) =>
    dialogue.say(text, { tell: (piece) => pieces.push(piece), isStopped });
  const { generated } = fake.calls;
  const prompts = () => generated.map(({ prompt }) => prompt);
  return { dialogue, say: say_, pieces, prompts, known: () => generated.map(({ known }) => known) };
}

test("each reply sees all turns before it, and is told as it grows", async () => {
  const { dialogue, say, pieces, prompts, known } = open((_, step) => `r${step}`);
  expect(await say("a")).toEqual({ text: "r0", tokens: 3, ending: "finished" });
  expect(pieces).toEqual(["r", "0"]);
  await say("b");
  dialogue.reset();
  await say("c");
  await say("c2");
  expect(prompts()).toEqual(["a\n", "a\nr0\nb\n", "c\n", "c\nr2\nc2\n"]);
  expect(known()).toEqual([0, 2, 0, 2]);
  expect(pieces.join("")).toBe("r0r1r2r3");
});

test("earlier turns stand as --prompt-template put them", async () => {
  const { say, prompts } = open(() => "r", { promptTemplate: "<{question}>" });
  await say("a$&");
  await say("b");
  expect(prompts()[1]).toBe("<a$&>\nr\nb\n");
});

test("a turn that fails was not said", async () => {
  const { say, prompts } = open(() => "r");
  await expect(say("*")).rejects.toThrow("unreadable");
  await say("a");
  expect(prompts()).toEqual(["a\n"]);
});

test("a stop text is not told, nor what may become one and does not, before that is known", async () => {
  const stopped = open(() => "one @ END two", { stop: ["END"] });
  expect(await stopped.say("a")).toMatchObject({ text: "one 😀 ", ending: "finished" });
  expect(stopped.pieces.join("")).toBe("one 😀 ");
  for (const piece of stopped.pieces) expect(piece.isWellFormed()).toBe(true);
  const near = open(() => "THE EN", { stop: ["END"] });
  await near.say("a");
  expect(near.pieces.join("")).toBe("THE EN");
});

test("a reply that is stopped stays in the conversation as far as it came", async () => {
  const { say, prompts, pieces } = open(() => "long reply");
  expect(await say("a", () => pieces.join("") === "lon")).toMatchObject({
    text: "lon",
    ending: "stopped",
  });
  await say("b");
  expect(prompts()[1]).toBe("a\nlon\nb\n");
});

test("a reply ends where its length or the conversation's does; one without room is refused", async () => {
  const { dialogue, say } = open(() => "x".repeat(60));
  expect(await say("a")).toMatchObject({ text: "x".repeat(40), ending: "cut off" });
  // "a", its reply and "b" with their line breaks are 45 of 100
  expect(await say("b")).toMatchObject({ text: "x".repeat(40), ending: "cut off" });
  expect(await say("c")).toMatchObject({ text: "x".repeat(12), ending: "full" });
  await expect(say("d")).rejects.toThrow(
    "the conversation has 103 tokens, and --max-length 100 no room for a reply: /reset begins anew, --max-length up to 200 has room for more",
  );
  dialogue.reset();
  expect(await say("d")).toMatchObject({ ending: "cut off" });
});
