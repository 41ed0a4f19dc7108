interface Shown {
  text: string;
  outcome: string | null;
  /** False if it was cut off. */
  finished: boolean;
}

/** What a completion counts as. */
export const countsAs = ({ outcome, finished }: Omit<Shown, "text">) =>
  outcome ?? (finished ? "no answer" : "cut off");

/**
 * Completions of a question, each with what it counts as: a line each, or numbered blocks if any of them has
 * several lines.
 */
export function completionLines(completions: readonly Shown[]): string[] {
  const isShort = completions.every(({ text }) => !text.includes("\n"));
  return completions.flatMap((completion, i) => {
    const outcome = `-> ${countsAs(completion)}`;
    if (isShort) return [`  ${completion.text}  ${outcome}`];
    const head = completions.length > 1 ? [`--- completion ${i + 1} of ${completions.length}`] : [];
    return [...head, completion.text, outcome];
  });
}
