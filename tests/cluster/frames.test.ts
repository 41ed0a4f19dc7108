import { expect, test } from "bun:test";
import { decodeFrames, encodeFrame, type Frame } from "../../beyond/cluster/frames.ts";
import {
  packCompletions,
  packItems,
  unpackCompletions,
  unpackItems,
} from "../../beyond/cluster/wire.ts";

/** The bytes in pieces of so many, as a pipe may cut them. */
async function* cut(pieces: Uint8Array[], size: number): AsyncGenerator<Uint8Array> {
  const all = Buffer.concat(pieces);
  for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size);
}

const read = async (pieces: Uint8Array[], size = 1000): Promise<Frame[]> =>
  Array.fromAsync(decodeFrames(cut(pieces, size)));

test.each([1, 3, 12, 13, 1000])(
  "frames come out as they went in, in pieces of %i bytes",
  async (size) => {
    const sent = [
      ...encodeFrame({ op: "sample", text: "ä" }, [new Uint8Array([1, 2]), new Uint8Array([3])]),
      ...encodeFrame({ op: "state" }),
    ];
    const [first, second, ...more] = await read(sent, size);
    expect(first.header).toMatchObject({ op: "sample", text: "ä" });
    expect([...first.bytes]).toEqual([1, 2, 3]);
    expect(second).toEqual({ header: { op: "state" }, bytes: new Uint8Array(0) });
    expect(more).toEqual([]);
  },
);

test("bytes that were damaged, or cut short, are no message", async () => {
  const pieces = encodeFrame({}, [new Uint8Array([1, 2, 3])]);
  const whole = Buffer.concat(pieces);
  const damaged = Buffer.from(whole);
  damaged[damaged.length - 1] ^= 1;
  expect(read([damaged])).rejects.toThrow("damaged");
  await expect(read([damaged])).rejects.toThrow("damaged");
  await expect(read([whole.subarray(0, -1)])).rejects.toThrow("cut short");
});

const f32 = (values: number[]) => [...Float32Array.from(values)];

test("completions keep every token and every bit of their log-probabilities", async () => {
  const completion = (tokens: number[], finished: boolean) => ({
    tokens,
    logprobs: f32(tokens.map((token) => -token / 7)),
    entropies: f32(tokens.map((token) => token / 3)),
    finished,
  });
  const groups = [
    [completion([5, 4294967295, 0], true), completion([], false)],
    [completion([9], false)],
  ];
  const [sent, pieces] = packCompletions(groups);
  const [{ header, bytes }] = await read(encodeFrame({ ...sent }, pieces));
  expect(unpackCompletions(header as never, bytes)).toEqual(groups);
});

test("items keep their prompts, numbers and groups", async () => {
  const item = (prompt: number[], group: number, tokens: number[], advantage: number) => ({
    prompt,
    group,
    completion: { tokens, logprobs: f32(tokens.map((token) => -token / 7)), answerStart: 1 },
    advantage,
    exploration: advantage / 3,
  });
  const items = [
    item([1, 2], 4, [7, 8], 0.1),
    item([1, 2], 4, [9], -0.2),
    { ...item([3], 6, [1, 1, 1], 1e-300), tokenExploration: [0.1, 0, 1 / 3] },
  ];
  const [sent, pieces] = packItems(items);
  expect(sent.prompts).toEqual([[1, 2], [3]]);
  const [{ header, bytes }] = await read(encodeFrame({ sent }, pieces));
  const groups = [0, 0, 1];
  expect(unpackItems(header.sent as never, bytes)).toEqual(
    items.map((one, i) => ({ ...one, group: groups[i] })),
  );
});
