/** Units and currency at the end of an answer, or before it, do not change its meaning. */

const UNIT_WORDS =
  "degrees?|radians?|units?|square|cubic|sq|dollars?|cents?|euros?|pounds?|usd|yuan|rubles?|rupees?|inch(?:es)?|in|feet|foot|ft|yards?|" +
  "miles?|mi|mph|kph|meters?|metres?|centimeters?|centimetres?|kilometers?|kilometres?|mm|cm|dm|km|kg|mg|lbs?|oz|" +
  "grams?|kilograms?|liters?|litres?|ml|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|hz";
const UNIT = String.raw`(?:${UNIT_WORDS})(?:\^\{?-?\d\}?)?`;
const PLAIN_UNITS = new RegExp(
  String.raw`([\d})\]a-zA-Z%])\s*(?:(?<![a-zA-Z])|(?<=\\pi))${UNIT}(?:\s*(?:/|per)?\s*(?:${UNIT}|[smhg]\b(?:\^\{?\d\}?)?))*$`,
  "i",
);
const IS_UNIT = new RegExp(String.raw`^\s*${UNIT}(?:[\s/]*(?:per\s)?${UNIT})*\s*$`, "i");
const TEXT = String.raw`\\text\s*\{((?:[^{}]|\{[^{}]*\})*)\}(?:\s*\^\s*(?:\{-?\d\}|-?\d))?`;
const TEXT_UNITS = new RegExp(
  String.raw`([^\s\\^_])\s*(?:\\frac\{${TEXT}\}\{${TEXT}\}|${TEXT}(?:\s*(?:/|\\cdot)?\s*${TEXT})*)$`,
);
/** One letter is a variable, except in such ratios after a space: 6 m/s. */
const LETTER_UNITS =
  /(\d|\})\s+(?:[kcm]?m|ft|[km]?g|[mk]?L)\s*\/\s*(?:s|h|hr|min|[cm]?m|L)(?:\^\{?\d\}?)?$/;
const TEMPERATURE =
  /(\^\s*(?:\\circ|\{\s*\\circ\s*\})|\u00b0)\s*(?:[CFK]|\\text\s*\{\s*[CFK]\s*\})$/;
const COUNTED = /^([-+]?[\d.,/\s]*\d)\s+([a-z][a-z-]+(?:\s+[a-z-]+)*|\(\s*[a-z][a-z\s-]*\))$/i;
const ONE_LETTER = /^([-+]?[\d.,]*\d)\s+[mgsLh]$/;
/** Words that say which number is meant, or more than one number does: 7 tenths, 5 or more, 10 below zero. */
const QUALIFIERS = new RegExp(
  String.raw`\b(?:and|or|not|no|to|only|if|is|are|more|less|fewer|greater|most|least|above|below|under|over|before|` +
    String.raw`after|than|ago|early|late|times\s+\S|tenths?|hundredths?|thousandths?|half|halves|thirds?|quarters?|` +
    String.raw`(?:four|fif|six|seven|eigh|nin|ten)ths?|dozens?|scores?|pairs?|couples?|squared|cubed|percent\w*|` +
    "mod|modulo|base|even|odd|north|south|east|west|positive|negative|ad|bce?|ce|am|pm|cis|hundreds?|" +
    String.raw`thousands?|[mbtr]+illions?|plus|minus|factorial|remainder|r)\b|^\s*(?:left|right|up|down)\b|[=<>]|(?<![a-z^{-])\d|[ap]\.\s*m\b`,
  "i",
);
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
function withoutPowerWords(text: string): string {
  return text.replace(WORDED, (all, whole, part = "", inText, rest, bare) => {
    const zeros = POWERS[(inText ?? bare).toLowerCase()];
    if (zeros === undefined || part.length > zeros) return all;
    return `${whole}${part}${"0".repeat(zeros - part.length)}${rest ? `\\text{ ${rest}}` : ""}`;
  });
}

/** Units are dropped, whatever they are: 5 cm, \$5, 72 apples, 3\text{ m}^2. */
export function withoutUnits(text: string): string {
  const amount = text.replace(CURRENCY, "").replace(/^(?:USD|EUR|GBP|Rs\.?)\s*(?=\d)/, "");
  let result = withoutPowerWords(amount.trim());
  for (let round = 0; round < 4; round++) {
    const before = result;
    result = result.replace(TEMPERATURE, "$1").replace(LETTER_UNITS, "$1");
    const unit = TEXT_UNITS.exec(result);
    if (unit && isUnit(unit, result)) result = result.slice(0, unit.index) + unit[1];
    result = result.replace(PLAIN_UNITS, "$1");
    const counted = COUNTED.exec(result);
    if (counted && !QUALIFIERS.test(counted[2])) result = counted[1];
    result = result.replace(ONE_LETTER, "$1").replace(/^(\d+)\s*(?:st|nd|rd|th)$/, "$1");
    result = result.trim();
    if (result === before) break;
  }
  return result;
}

/** Text behind an answer is its unit; but a bare letter only behind a number: (\text{A}) names an option. */
function isUnit(match: RegExpExecArray, text: string): boolean {
  const [, before, ...groups] = match;
  const texts = groups.filter((one) => one !== undefined);
  if (/[,;:]/.test(before) || texts.some((one) => QUALIFIERS.test(one))) return false;
  const isNumber = /[\d})%]/.test(before) || text.slice(0, match.index + 1).endsWith("\\pi");
  if (!isNumber && !texts.every((one) => IS_UNIT.test(one))) return false;
  return texts.some((one) => one.length > 1) || (isNumber && /^[mshgLNJWVAKCF]$/.test(texts[0]));
}
