/** What travels between the driver of a run and its workers, as headers and bytes: 12 bytes a token at most. */
import type { Item } from "../../lib/learn.ts";
import type { Completion } from "../../lib/model/completion.ts";

/** Completions by request and sample; the numbers of a token are in the bytes, in order. */
export interface SentCompletions {
  lengths: number[][];
  finished: boolean[][];
}

type Bytes = Uint8Array<ArrayBuffer>;

/** Token ids (u32), log-probabilities and entropies (f32), each of all tokens: they were drawn as such. */
export function packCompletions(completions: Completion[][]): [SentCompletions, Bytes[]] {
  const all = completions.flat();
  const floats = (of: "logprobs" | "entropies") =>
    bytesOf(Float32Array.from(all.flatMap((one) => one[of])));
  const sent = {
    lengths: completions.map((group) => group.map(({ tokens }) => tokens.length)),
    finished: completions.map((group) => group.map(({ finished }) => finished)),
  };
  const tokens = bytesOf(Uint32Array.from(all.flatMap((one) => one.tokens)));
  return [sent, [tokens, floats("logprobs"), floats("entropies")]];
}

export function unpackCompletions(sent: SentCompletions, bytes: Bytes): Completion[][] {
  const total = sent.lengths.flat().reduce((sum, length) => sum + length, 0);
  const tokens = new Uint32Array(bytes.buffer, bytes.byteOffset, total);
  const floats = (part: number) =>
    new Float32Array(bytes.buffer, bytes.byteOffset + 4 * total * part, total);
  const [logprobs, entropies] = [floats(1), floats(2)];
  let at = 0;
  return sent.lengths.map((group, g) =>
    group.map((length, i) => {
      const of = (values: Uint32Array | Float32Array) =>
        Array.from(values.subarray(at, at + length));
      const completion = {
        tokens: of(tokens),
        logprobs: of(logprobs),
        entropies: of(entropies),
        finished: sent.finished[g][i],
      };
      at += length;
      return completion;
    }),
  );
}

/** Completions to learn from. Those of a group follow one another and share its prompt. */
export interface SentItems {
  prompts: number[][];
  items: {
    prompt: number;
    length: number;
    answerStart: number;
    advantage: number;
    exploration: number;
    tokenExploration?: number[];
  }[];
}

/** Token ids (u32) and the log-probabilities that they were drawn with (f32), each of all tokens. */
export function packItems(items: readonly Item[]): [SentItems, Bytes[]] {
  const prompts: number[][] = [];
  const sent = items.map(
    ({ prompt, group, completion, advantage, exploration, tokenExploration }, i) => {
      if (items[i - 1]?.group !== group) prompts.push(prompt);
      const { tokens, answerStart } = completion;
      return {
        prompt: prompts.length - 1,
        length: tokens.length,
        answerStart,
        advantage,
        exploration,
        tokenExploration: tokenExploration && Array.from(tokenExploration),
      };
    },
  );
  const tokens = Uint32Array.from(items.flatMap(({ completion }) => completion.tokens));
  const logprobs = Float32Array.from(items.flatMap(({ completion }) => completion.logprobs));
  return [{ prompts, items: sent }, [bytesOf(tokens), bytesOf(logprobs)]];
}

export function unpackItems({ prompts, items }: SentItems, bytes: Bytes): Item[] {
  const total = items.reduce((sum, { length }) => sum + length, 0);
  const tokens = new Uint32Array(bytes.buffer, bytes.byteOffset, total);
  const logprobs = new Float32Array(bytes.buffer, bytes.byteOffset + 4 * total, total);
  let at = 0;
  return items.map(({ prompt, length, answerStart, ...terms }) => {
    const of = (values: Uint32Array | Float32Array) => Array.from(values.subarray(at, at + length));
    const completion = { tokens: of(tokens), logprobs: of(logprobs), answerStart };
    at += length;
    return { prompt: prompts[prompt], group: prompt, completion, ...terms };
  });
}

export const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView<ArrayBuffer>): Bytes =>
  new Uint8Array(buffer, byteOffset, byteLength);
