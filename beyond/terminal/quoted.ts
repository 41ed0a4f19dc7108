/** The beginning and the end of a text that may be long, in one line. */
export function quoted(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return JSON.stringify(line.length > 50 ? `${line.slice(0, 24)} ... ${line.slice(-22)}` : line);
}
