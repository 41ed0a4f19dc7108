/**
 * The unit that an answer names. Units are no part of a key, since 5 is how most write 5 cm; but where the right
 * answer names one, an answer that names another is another answer.
 */
const NAMES: Record<string, string> = {
  mm: "mm|millimet(?:er|re)s?",
  cm: "cm|centimet(?:er|re)s?",
  dm: "dm|decimet(?:er|re)s?",
  m: "m|met(?:er|re)s?",
  km: "km|kilomet(?:er|re)s?",
  in: "in|inch(?:es)?",
  ft: "ft|foot|feet",
  yd: "yds?|yards?",
  mi: "mi|miles?",
  mg: "mg|milligrams?",
  g: "g|grams?",
  kg: "kg|kilograms?",
  t: "tons?|tonnes?",
  lb: "lbs?",
  oz: "oz|ounces?",
  ml: "ml|millilit(?:er|re)s?",
  l: "l|lit(?:er|re)s?",
  gal: "gallons?",
  s: "s|secs?|seconds?",
  min: "mins?|minutes?",
  h: "h|hrs?|hours?",
  d: "days?",
  wk: "weeks?",
  mo: "months?",
  yr: "yrs?|years?",
  usd: "dollars?|usd",
  cent: "cents?|\u00a2",
  eur: "euros?|eur|\u20ac",
  gbp: "gbp|\u00a3",
  rad: "rad|radians?",
  deg: "degrees?|\u00b0",
  degC: "\u00b0\\s*c|degrees? celsius|celsius",
  degF: "\u00b0\\s*f|degrees? fahrenheit|fahrenheit",
};
const UNITS = Object.entries(NAMES).map(
  ([unit, names]) => [unit, new RegExp(`^(?:${names})$`, "i")] as const,
);
const BEHIND =
  /^[-+]?[\d.,\s/]*\d\s*(?:\/\s*\d+)?\s*([a-z\u00b0\u00a2\u20ac\u00a3][^\d=]*?)(?:\^?([23]))?$/i;

/** The name of a unit in one spelling, such as cm, cm^2 or km/h; null where none that is known is named. */
export function unitOf(answer: string): string | null {
  if (answer.length > 200) return null;
  const text = plain(answer);
  const before = /^[-+]?\s*(\$|\u20ac|\u00a3|USD|EUR)\s*[-+]?[\d.,]+$/i.exec(text)?.[1];
  if (before) return before === "$" ? "usd" : named(before);
  const [, words, power] = BEHIND.exec(text) ?? [];
  if (words === undefined) return null;
  const [first, ...others] = words.trim().split(/\s*\/\s*|\s+per\s+/);
  if (/^mph$/i.test(first)) return "mi/h";
  const [, size, unit] = /^(square\s|sq\.?\s|cubic\s|cu\.?\s)?\s*(.*)$/i.exec(first) ?? [];
  const names = [named(unit ?? ""), ...others.map(named)];
  if (names.includes(null)) return null;
  const exponent = size ? (/^s/i.test(size) ? "2" : "3") : power;
  return `${names.join("/")}${exponent ? `^${exponent}` : ""}`;
}

const named = (text: string): string | null =>
  UNITS.find(([, pattern]) => pattern.test(text.replace(/\.$/, "").trim()))?.[0] ?? null;

/** Without LaTeX: 5\,\mathrm{cm}^{2} is 5 cm^2. */
const plain = (answer: string): string =>
  answer
    .replace(/\\(?:text|mathrm|textbf|mbox|operatorname)\s*\{([^{}]*)\}/g, " $1 ")
    .replace(/\\d?frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}/g, "$1/$2")
    .replace(/\^?\s*\{?\s*\\circ\s*\}?|\\degree/g, "\u00b0")
    .replace(/\\\$/g, "$")
    .replace(/\\[a-zA-Z]+|\\[,;:! ]|[{}~]/g, " ")
    .replace(/\u00b2/g, "^2")
    .replace(/\u00b3/g, "^3")
    .replace(/\s*\^\s*/g, "^")
    .replace(/^\$\s*([^$]*?)\s*\$$/, "$1")
    .replace(/[.\s]+$/, "")
    .replace(/\s+/g, " ")
    .trim();

/** The key of an answer in another unit than the right one; the key itself otherwise. */
export function inUnit(key: string, answer: string, right: string | null): string {
  const unit = right === null ? null : unitOf(answer);
  return unit === null || unit === right ? key : `${key} [${unit}]`;
}
