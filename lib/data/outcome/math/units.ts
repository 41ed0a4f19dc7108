/** Units and currency at the end of an answer, or before it, do not change its meaning. */

const UNIT_WORDS =
  "degrees?|radians?|units?|square|cubic|sq|dollars?|cents?|euros?|pounds?|usd|percent|inch(?:es)?|in|feet|foot|ft|yards?|" +
  "miles?|mi|mph|kph|meters?|metres?|centimeters?|centimetres?|kilometers?|kilometres?|mm|cm|dm|km|kg|mg|lbs?|oz|" +
  "grams?|kilograms?|liters?|litres?|ml|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|hz";
const UNIT = String.raw`(?:${UNIT_WORDS})(?:\^\{?-?\d\}?)?`;
const PLAIN_UNITS = new RegExp(
  String.raw`([\d})\]a-zA-Z%])\s*(?:(?<![a-zA-Z])|(?<=\\pi))${UNIT}(?:\s*(?:/|per)?\s*(?:${UNIT}|[smhg]\b(?:\^\{?\d\}?)?))*$`,
  "i",
);
const TEXT = String.raw`\\text\s*\{((?:[^{}]|\{[^{}]*\})*)\}(?:\s*\^\s*(?:\{-?\d\}|-?\d))?`;
const TEXT_UNITS = new RegExp(
  String.raw`([^\s\\^_])\s*(?:\\frac\{${TEXT}\}\{${TEXT}\}|${TEXT}(?:\s*(?:/|\\cdot)?\s*${TEXT})*)$`,
);
/** One letter is a variable, except in such ratios after a space: 6 m/s. */
const LETTER_UNITS =
  /(\d|\})\s+(?:[kcm]?m|ft|[km]?g|[mk]?L)\s*\/\s*(?:s|h|hr|min|[cm]?m|L)(?:\^\{?\d\}?)?$/;
const TEMPERATURE =
  /(\^\s*(?:\\circ|\{\s*\\circ\s*\})|\u00b0)\s*(?:[CFK]|\\text\s*\{\s*[CFK]\s*\})$/;
const COUNTED = /^([-+]?[\d.,/\s]*\d)\s+[a-z][a-z-]+(?:\s+[a-z-]+)*$/i;
const CURRENCY = /\\?[$\u00a2\u00a3\u20ac\u00a5]|\\(?:pounds|euro)(?![a-zA-Z])/g;

/** Units are dropped, whatever they are: 5 cm, \$5, 72 apples, 3\text{ m}^2. */
export function withoutUnits(text: string): string {
  let result = text.replace(CURRENCY, "").trim();
  for (let round = 0; round < 4; round++) {
    const before = result;
    result = result.replace(TEMPERATURE, "$1").replace(LETTER_UNITS, "$1");
    const unit = TEXT_UNITS.exec(result);
    if (unit && isUnit(unit)) result = result.slice(0, unit.index) + unit[1];
    result = result.replace(PLAIN_UNITS, "$1");
    const counted = COUNTED.exec(result);
    if (counted && !/\b(?:and|or)\b/i.test(result)) result = counted[1];
    result = result.trim();
    if (result === before) break;
  }
  return result;
}

/** Text behind an answer is its unit; but one letter only behind a number: \text{(}\text{A}\text{)}. */
function isUnit([, before, ...texts]: RegExpExecArray): boolean {
  const words = texts.filter((text) => text !== undefined).map((text) => text.trim());
  if (words.some((text) => /^(?:and|or|to|cis|[ap]\.?m\.?)$/i.test(text))) return false;
  if (/[,;:]/.test(before)) return false;
  return (
    words.some((text) => text.length > 1) ||
    (/[\d})]/.test(before) && /^[mshgLNJWVAKCF]$/.test(words[0]))
  );
}
