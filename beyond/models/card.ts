/** What is read of a model's card, the `README.md` of its folder. */

export const CARD = "README.md";

/** The tag of this program's models. */
export const CARD_TAG = "rlexplore";

export interface ModelCard {
  /** As the hub calls it. */
  license?: string;
  /** On the hub, what a model of this program was trained from. */
  base?: string;
}

/** More is not the head of a card. */
const LONGEST_HEAD = 1 << 16;

export async function readCard(file: Blob | null): Promise<ModelCard> {
  const text = file ? await file.slice(0, LONGEST_HEAD).text() : "";
  const head = /^---\r?\n(.*?)\r?\n---/s.exec(text)?.[1] ?? "";
  const plain = (key: string) =>
    new RegExp(`^${key}: *(["']?)([\\w./-]+)\\1 *\\r?$`, "m").exec(head)?.[2];
  const isOwn = new RegExp(`^- ${CARD_TAG}\\r?$`, "m").test(head);
  return { license: plain("license"), base: isOwn ? plain("base_model") : undefined };
}
