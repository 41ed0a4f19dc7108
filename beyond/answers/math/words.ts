/** Letters and words as answers. */

/** Words of one or two letters in which case does not matter either. */
const SHORT = /^(?:no|yes|on|or|in|up|ok|if|of|to)$/i;

/** Letters that stand alone: words but for their case, strings such as TFTFT as they are. */
export function wordKey(letters: string): string {
  if (/^(?!YES)[A-Z]{3}$/.test(letters)) return letters;
  const isWord = letters.length > 2 && /[aeiou]/i.test(letters) && !/[a-z][A-Z]/.test(letters);
  return isWord || SHORT.test(letters) ? letters.toLowerCase() : letters;
}
