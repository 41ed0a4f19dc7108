/** Mistakes that somebody could make in one file, and the tests that must notice each of them. */
export interface Mutants {
  file: string;
  tests: readonly string[];
  /** What is wrong then, in words; what stands in the file, exactly once; what stands there instead. */
  mistakes: readonly (readonly [mistake: string, original: string, mistaken: string])[];
}

/** The file's text with a mistake in it. @throws Error if the original does not stand there exactly once */
export function plant(file: string, text: string, original: string, mistaken: string): string {
  const parts = text.split(original);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} of: ${original}`);
  return parts.join(mistaken);
}
