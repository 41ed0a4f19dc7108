/** Characters of a stranger's text that a message repeats. */
const MOST_SHOWN = 200;

/** What is said of a failure, in which a library or a program may repeat a text of any length. */
export function messageOf(error: unknown): string {
  const message = (error as Error)?.message ?? String(error);
  return message.length > MOST_SHOWN ? `${message.slice(0, MOST_SHOWN)} ...` : message;
}

/** A message as one line, in which no word is longer than what a message repeats. */
export function inOneLine(message: string): string {
  const line = message.trim().replace(/\s*\n\s*/g, " ");
  return line.replace(/\S{201,}/g, (word) => `${word.slice(0, MOST_SHOWN)}...`);
}

/** The beginning and the end of a text that may be long, in one line. */
export function quoted(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return JSON.stringify(line.length > 50 ? `${line.slice(0, 24)} ... ${line.slice(-22)}` : line);
}
