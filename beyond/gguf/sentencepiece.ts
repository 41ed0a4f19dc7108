/**
 * The tokenizer of Gemma's GGUF files: SentencePiece's BPE, whose pieces have scores instead of a list of merges. It
 * becomes the tokenizer.json that `transformers` makes of Gemma's: spaces are ▁, nothing is split beforehand, and
 * characters without a piece are bytes.
 */

/** What stands for a space. */
export const SPACE = "▁";
/** The score of what its makers defined themselves: above all others. */
export const BEST = 0;

export interface Piece {
  text: string;
  id: number;
  score: number;
}

/** What this kind of tokenizer has in a tokenizer.json beside its added tokens; `pieces` are those that are merged. */
export function sentencePiece(vocab: Readonly<Record<string, number>>, pieces: readonly Piece[]) {
  const space = { String: SPACE };
  return {
    normalizer: { type: "Replace", pattern: { String: " " }, content: SPACE },
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: space, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: "<unk>",
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab,
      merges: mergesOf(pieces),
    },
  };
}

interface Merge {
  left: string;
  right: string;
  score: number;
  lengths: [left: number, right: number];
}

/**
 * Every way to make a piece of two others, the best first: by score, then by the lengths of left and right half, longer
 * ones first, then by the numbers of the halves. That is the order of `generate_merges` of transformers.
 */
export function mergesOf(pieces: readonly Piece[]): [left: string, right: string][] {
  const ids = new Map(pieces.map(({ text, id }) => [text, id]));
  const merges: Merge[] = [];
  for (const { text: piece, score } of pieces) {
    const halves: (Merge & { ids: [number, number] })[] = [];
    const characters = [...piece];
    for (
      let i = 1, at = characters[0].length;
      i < characters.length;
      at += characters[i++].length
    ) {
      const [left, right] = [piece.slice(0, at), piece.slice(at)];
      const own = { left: ids.get(left), right: ids.get(right) };
      if (own.left === undefined || own.right === undefined) continue;
      const lengths: [number, number] = [i, characters.length - i];
      halves.push({ left, right, score, lengths, ids: [own.left, own.right] });
    }
    halves.sort((a, b) => a.ids[0] - b.ids[0] || a.ids[1] - b.ids[1]);
    merges.push(...halves);
  }
  merges.sort(
    (a, b) => b.score - a.score || b.lengths[0] - a.lengths[0] || b.lengths[1] - a.lengths[1],
  );
  return merges.map(({ left, right }) => [left, right]);
}
