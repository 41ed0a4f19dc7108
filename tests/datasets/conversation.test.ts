import { describe, expect, test } from "bun:test";
import { askedFrom, turnsOf } from "../../beyond/datasets/conversation.ts";
import { readSftRows } from "../../beyond/datasets/rows.ts";
import { textOf } from "../../lib/data/questions.ts";
import { fileOf, rowsOf } from "./files.ts";

const system = { role: "system", content: "Be brief." };
const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const line = (row: object) => JSON.stringify({ answer: "4", ...row });
const rowOf = async (prompt: unknown, more = {}) =>
  (await rowsOf(line({ prompt, ...more }), { wholeRows: false }))[0];

describe("a conversation", () => {
  test("is asked with every turn; its question is what the user said last", async () => {
    const turns = [system, user("1+1="), assistant("2"), user("2+2=")];
    const row = await rowOf(turns);
    expect(row).toEqual({ question: "2+2=", turns, answer: "4", line: 1 });
    expect(textOf(row)).toBe(
      `2+2=\n\n${turns
        .slice(0, 3)
        .map((t) => JSON.stringify(t))
        .join("\n")}`,
    );
    expect(await rowOf([user("2+2=")])).toEqual({ question: "2+2=", answer: "4", line: 1 });
  });
  test("is told apart from others by all of it", async () => {
    const others = [
      [user("q")],
      [system, user("q")],
      [user("1"), assistant("2"), user("q")],
      [user("1"), assistant("3"), user("q")],
      [user("q"), assistant("Let me")],
    ];
    const texts = new Set<string>();
    for (const turns of others) texts.add(textOf(await rowOf(turns)));
    expect(texts.size).toBe(others.length);
  });
  test("may have parts of text, and fields that are empty", async () => {
    const turn = {
      role: "user",
      content: [{ type: "text", text: "q" }],
      tool_calls: null,
      name: null,
    };
    expect(await rowOf([turn], { tools: [], images: null })).toMatchObject({ question: "q" });
  });
  const picture = { role: "user", content: [{ type: "image" }, { type: "text", text: "q" }] };
  const call = { ...assistant(""), tool_calls: [{ function: { name: "f" } }] };
  test.each([
    [{ prompt: [picture] }, 'turn 1 of "prompt" has a part of type "image"; only text'],
    [{ prompt: [user("q"), call, user("r")] }, 'turn 2 of "prompt" has "tool_calls"'],
    [{ prompt: [{ role: "tool", content: "4" }] }, 'is what a tool says (role "tool")'],
    [{ prompt: [user("q")], tools: [{ name: "f" }] }, '"tools" cannot be put to the model'],
    [{ prompt: "q", images: [{ bytes: "..." }] }, '"images" cannot be put to the model'],
    [{ prompt: [system] }, 'the user says nothing in "prompt"'],
    [{ prompt: [user("q"), system] }, 'ends with a turn of the role "system"'],
    [{ prompt: [] }, '"prompt" is an empty conversation'],
    [{ prompt: [{ role: "user" }] }, 'the content of turn 1 of "prompt" is not text'],
    [{ prompt: [{ content: "q" }] }, 'turn 1 of "prompt" has no "role"'],
    [{ messages: [user("q"), assistant("4")] }, '"messages" ends with what the assistant says'],
  ])("%j is refused", async (row, message) => {
    await expect(rowsOf(line(row))).rejects.toThrow(message);
  });
  test("may be typed", () => {
    expect(askedFrom("2+2=")).toEqual({ question: "2+2=" });
    expect(askedFrom("[1, 2]")).toEqual({ question: "[1, 2]" });
    const turns = [system, user("q")];
    expect(askedFrom(JSON.stringify(turns))).toEqual({ question: "q", turns });
  });
  test("keeps what its turns have besides", () => {
    const turn = { ...assistant("4"), reasoning_content: "2 and 2" };
    expect(turnsOf([turn], "prompt")).toEqual([turn]);
  });
});

describe("what sft learns", () => {
  const lessons = async (row: object) =>
    (await readSftRows(fileOf("sft.jsonl", JSON.stringify(row)))).rows[0].lessons;
  test("of messages: each turn of the assistant's, said to those before it", async () => {
    const messages = [system, user("1+1="), assistant("2"), user("2+2="), assistant("4")];
    expect(await lessons({ messages })).toEqual([
      { asked: { question: "1+1=", turns: messages.slice(0, 2) }, said: assistant("2") },
      { asked: { question: "2+2=", turns: messages.slice(0, 4) }, said: assistant("4") },
    ]);
  });
  test("of prompt and completion: the completion alone", async () => {
    const prompt = [user("1+1="), assistant("2"), user("2+2=")];
    const asked = { question: "2+2=", turns: prompt };
    const completion = [assistant("4")];
    expect(await lessons({ prompt, completion })).toEqual([{ asked, said: completion[0] }]);
    expect(await lessons({ prompt, completion: "4" })).toEqual([{ asked, said: "4" }]);
    expect(await lessons({ prompt: "2+2=", completion })).toEqual([
      { asked: { question: "2+2=" }, said: completion[0] },
    ]);
  });
  test.each([
    [{ messages: [user("q")] }, 'the assistant answers nothing in "messages"'],
    [{ messages: [user("q"), assistant("a"), assistant("b")] }, "follow each other"],
    [{ messages: [user("q"), assistant(" ")] }, 'turn 2 of "messages" says nothing'],
  ])("%j is refused", async (row, message) => {
    await expect(lessons(row)).rejects.toThrow(message);
  });
});
