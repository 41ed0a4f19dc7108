/** A mistake that somebody could make, and the tests that must notice it. */
export interface Mutant {
  file: string;
  /** What is wrong then, in words. */
  mistake: string;
  /** Stands exactly once in the file. */
  original: string;
  mistaken: string;
  tests: readonly string[];
}

/** The file's text with the mistake in it. @throws Error if the original does not stand there exactly once */
export function plant(
  text: string,
  { file, original, mistaken }: Pick<Mutant, "file" | "original" | "mistaken">,
): string {
  const parts = text.split(original);
  if (parts.length !== 2) {
    throw new Error(`${file} has ${parts.length - 1} of: ${original}`);
  }
  return parts.join(mistaken);
}
