/** Packs groups of completions that share a prompt into one row of tokens, as a training batch. */

export interface Group {
  prompt: readonly number[];
  completions: readonly (readonly number[])[];
}

export interface PackedBatch {
  /** [T] token ids: [prompt][completion 1]...[completion n] of each group in turn. */
  tokens: Uint32Array;
  /** [T, 4] (prefixStart, prefixEnd, ownStart, ownEnd): the keys each token sees, itself the last. */
  spans: Uint32Array;
  /** [T]: one past the last query that sees key s; all queries in [s, lastQuery[s]) see it. */
  lastQuery: Uint32Array;
  /** [M]: the packed index of the token before each completion token. */
  predictionRows: Uint32Array;
  /** [M]: the completion tokens. */
  targets: Uint32Array;
}

export function packGroups(groups: readonly Group[]): PackedBatch {
  const tokens: number[] = [];
  const spans: number[] = [];
  const lastQuery: number[] = [];
  const predictionRows: number[] = [];
  const targets: number[] = [];
  for (const { prompt, completions } of groups) {
    const start = tokens.length;
    const promptEnd = start + prompt.length;
    const end = promptEnd + completions.reduce((sum, completion) => sum + completion.length, 0);
    for (const token of prompt) {
      tokens.push(token);
      spans.push(start, start, start, tokens.length);
      lastQuery.push(end);
    }
    for (const completion of completions) {
      const ownStart = tokens.length;
      completion.forEach((token, i) => {
        predictionRows.push(i === 0 ? promptEnd - 1 : tokens.length - 1);
        targets.push(token);
        tokens.push(token);
        spans.push(start, promptEnd, ownStart, tokens.length);
        lastQuery.push(ownStart + completion.length);
      });
    }
  }
  return {
    tokens: Uint32Array.from(tokens),
    spans: Uint32Array.from(spans),
    lastQuery: Uint32Array.from(lastQuery),
    predictionRows: Uint32Array.from(predictionRows),
    targets: Uint32Array.from(targets),
  };
}
