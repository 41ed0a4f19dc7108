import { expect, test } from "bun:test";
import { TextStream } from "../../beyond/models/text-stream.ts";
import { Tokenizer } from "../../beyond/models/tokenizer.ts";
import tokenizers from "../golden/tokenizer.json";

/** How the text of these tokens grows. */
function grown(stream: TextStream, ids: readonly number[]): string[] {
  const texts = ids.map((id) => {
    stream.push(id);
    return stream.text;
  });
  stream.end();
  return [...texts, stream.text];
}

test("text grows by whole characters, however many tokens a character has", () => {
  const files = { "tokenizer.json": JSON.stringify(tokenizers.tokenizers.qwen.json) };
  const tokenizer = new Tokenizer(files, "m");
  const text = "aé你 😀";
  const ids = tokenizer.encode(text);
  expect(ids.length).toBeGreaterThan([...text].length); // else there is nothing to wait for
  const texts = grown(tokenizer.stream(), ids);
  expect(texts.at(-1)).toBe(text);
  for (const some of texts) expect([some, text.startsWith(some)]).toEqual([some, true]);
  expect(new Set(texts).size).toBeGreaterThan(3);
  // cut off within a character
  const cut = grown(tokenizer.stream(), ids.slice(0, -1));
  expect(cut.at(-2)).toBe("aé你 ");
  expect(cut.at(-1)).toMatch(/^aé你 \uFFFD+$/);
});

test("a decoder that looks at the token before, such as one that drops a leading space, is heeded", () => {
  const words = ["", " Hello", " world", "!"];
  const spell = (ids: readonly number[]) =>
    ids
      .map((id) => words[id])
      .join("")
      .trimStart();
  expect(grown(new TextStream(spell), [1, 0, 2, 3])).toEqual([
    "Hello",
    "Hello",
    "Hello world",
    "Hello world!",
    "Hello world!",
  ]);
});
