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

const POWERS: Record<string, number> = {
  hundred: 2,
  thousand: 3,
  million: 6,
  billion: 9,
  trillion: 12,
};
const WORDED =
  /(\d[\d,]*)(?:\.(\d+))?\s*(?:\\text\s*\{\s*(hundred|thousand|[mbtr]+illion)\b\s*([^{}]*)\}|(hundred|thousand|[mbtr]+illion)\b)/i;

/** 2.4 million is 2400000; what stands behind the word stays. */
export function withoutPowerWords(text: string): string {
  return text.replace(WORDED, (all, whole, part = "", inText, rest, bare) => {
    const zeros = POWERS[(inText ?? bare).toLowerCase()];
    if (zeros === undefined || part.length > zeros) return all;
    return `${whole}${part}${"0".repeat(zeros - part.length)}${rest ? `\\text{ ${rest}}` : ""}`;
  });
}

/** Units are dropped, whatever they are: 5 cm, \$5, 72 apples, 3\text{ m}^2. */
export function withoutUnits(text: string): string {
  let result = withoutPowerWords(text.replace(CURRENCY, "").trim());
  for (let round = 0; round < 4; round++) {
    const before = result;
    result = result.replace(TEMPERATURE, "$1").replace(LETTER_UNITS, "$1");
    const unit = TEXT_UNITS.exec(result);
    if (unit && isUnit(unit, result)) result = result.slice(0, unit.index) + unit[1];
    result = result.replace(PLAIN_UNITS, "$1");
    const counted = COUNTED.exec(result);
    if (counted && !/\b(?:and|or)\b/i.test(result)) result = counted[1];
    result = result.trim();
    if (result === before) break;
  }
  return result;
}

/** Text behind an answer is its unit; but a bare letter only behind a number: (\text{A}) names an option. */
function isUnit(match: RegExpExecArray, text: string): boolean {
  const [, before, ...groups] = match;
  const texts = groups.filter((one) => one !== undefined);
  const word = /^\s*(?:and|or|to|cis|[ap]\.?m\.?)\s*$/i;
  if (/[,;:]/.test(before) || texts.some((one) => word.test(one))) return false;
  const isNumber = /[\d})]/.test(before) || text.slice(0, match.index + 1).endsWith("\\pi");
  return texts.some((one) => one.length > 1) || (isNumber && /^[mshgLNJWVAKCF]$/.test(texts[0]));
}
