/** A character has at most 4 bytes, so at most 4 tokens; beyond this a window holds broken text. */
const LONGEST_CHARACTER = 8;

/** The text of tokens that come one after the other, in whole characters. */
export class TextStream {
  /** As far as it is settled. */
  text = "";
  private readonly ids: number[] = [];
  // a short window is spelled again with each token, since a decoder may look at the token before
  private windowStart = 0;
  private done = 0;

  constructor(private readonly spell: (ids: readonly number[]) => string) {}

  /** Takes in the next token. */
  push(id: number): void {
    this.ids.push(id);
    const { before, now } = this.window();
    const isPart = now.endsWith("\uFFFD") && this.ids.length - this.done < LONGEST_CHARACTER;
    if (!isPart && now.length > before.length) this.settle(before, now);
  }

  /** No token follows: what is no whole character stays broken. */
  end(): void {
    const { before, now } = this.window();
    this.settle(before, now);
  }

  private window() {
    const { ids, windowStart, done } = this;
    return {
      before: this.spell(ids.slice(windowStart, done)),
      now: this.spell(ids.slice(windowStart)),
    };
  }

  private settle(before: string, now: string): void {
    this.text += now.slice(before.length);
    this.windowStart = this.done;
    this.done = this.ids.length;
  }
}
