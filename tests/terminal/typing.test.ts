import { expect, test } from "bun:test";
import { PassThrough } from "node:stream";
import { completionLines } from "../../beyond/terminal/completions.ts";
import { Typing } from "../../beyond/terminal/typing.ts";

test("lines come one by one, also those that came early, and the last without its line break", async () => {
  const input = new PassThrough();
  const typing = new Typing(input, null, () => {});
  const first = typing.next();
  input.write("a\nb\n");
  expect(await first).toBe("a");
  expect(await typing.next()).toBe("b");
  input.end("c");
  expect(await typing.next()).toBe("c");
  expect(await typing.next()).toBeNull();
  expect(await typing.next()).toBeNull();
});

test("a terminal is prompted, and its Ctrl-C and Ctrl-D are told", async () => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  let shown = "";
  output.on("data", (piece) => {
    shown += piece;
  });
  let interruptions = 0;
  const typing = new Typing(input, output, () => interruptions++);
  const first = typing.next();
  input.write("\x03");
  input.write("hi\r");
  expect(await first).toBe("hi");
  expect(interruptions).toBe(1);
  expect(shown).toContain("> ");
  const second = typing.next();
  input.write("\x04");
  expect(await second).toBeNull();
});

test("completions are a line each, or blocks where one has several lines", () => {
  const one = { text: "7+7=14", outcome: "14", finished: true };
  const two = { text: "7+7\n=", outcome: null, finished: false };
  expect(completionLines([one, { ...one, outcome: null }])).toEqual([
    "  7+7=14  -> 14",
    "  7+7=14  -> no answer",
  ]);
  expect(completionLines([one, two])).toEqual([
    "--- completion 1 of 2",
    "7+7=14",
    "-> 14",
    "--- completion 2 of 2",
    "7+7\n=",
    "-> cut off",
  ]);
  expect(completionLines([two])).toEqual(["7+7\n=", "-> cut off"]);
});
