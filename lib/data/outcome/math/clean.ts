/** Frees an answer of what does not change its meaning: markup, spacing, units, currency, Unicode forms. */

const UNICODE: Record<string, string> = {
  "\u2212": "-",
  "\u2013": "-",
  "\uFE63": "-",
  "\uFF0D": "-",
  "\u00d7": "\\times ",
  "\u00b7": "\\cdot ",
  "\u22c5": "\\cdot ",
  "\u2217": "*",
  "\u00f7": "/",
  "\u2044": "/",
  "\u2264": "\\le ",
  "\u2265": "\\ge ",
  "\u2260": "\\ne ",
  "\u2208": "\\in ",
  "\u222a": "\\cup ",
  "\u00b1": "\\pm ",
  "\u2205": "\\emptyset ",
  "\u211d": "\\mathbb{R}",
  "\u00b2": "^2",
  "\u00b3": "^3",
  "\u00bd": " 1/2",
  "\u00bc": " 1/4",
  "\u00be": " 3/4",
  "\u03b1": "\\alpha ",
  "\u03b2": "\\beta ",
  "\u03b8": "\\theta ",
  "\u03c6": "\\phi ",
  "\u27e8": "\\langle ",
  "\u27e9": "\\rangle ",
};
const UNICODE_PATTERN = new RegExp(`[${Object.keys(UNICODE).join("")}]`, "g");

/** Without dollar signs around it, bold, \text{...} or \boxed{...} around the whole, a final stop. */
export function unwrap(answer: string): string {
  let text = answer.trim();
  // each round removes at least two characters of at most a thousand
  for (;;) {
    const next = text
      .replace(/^(?:\*\*|__)([\s\S]*)(?:\*\*|__)$/, "$1")
      .replace(/^\$+([^$]*)\$+$/, "$1")
      .replace(/^\\[([]([\s\S]*)\\[)\]]$/, "$1")
      .replace(/^\\(?:text|textbf|textit|mathrm|mathbf|mathit|mbox|boxed)\s*\{([^{}]*)\}$/, "$1")
      .replace(/^\\(?:boxed|fbox)\s*\{([\s\S]*)\}$/, (whole, inside) =>
        isBalanced(inside) ? inside : whole,
      )
      .replace(/[.\u3002]$/, "")
      .trim();
    if (next === text) return text;
    text = next;
  }
}

function isBalanced(text: string): boolean {
  let depth = 0;
  for (const brace of text.match(/(?<!\\)[{}]/g) ?? []) {
    depth += brace === "{" ? 1 : -1;
    if (depth < 0) return false;
  }
  return depth === 0;
}

/** One spelling for each LaTeX command and Unicode character. */
export function plainLatex(answer: string): string {
  return answer
    .replace(UNICODE_PATTERN, (c) => UNICODE[c])
    .replace(/\\!|(?<=\d)\\,(?=\d)/g, "")
    .replace(/\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits)(?![a-zA-Z])\.?/g, "")
    .replace(
      /\\\\|\\(?:[!,;:> ]|quad(?![a-zA-Z])|qquad(?![a-zA-Z])|hspace\{[^{}]*\}|thinspace(?![a-zA-Z]))|~/g,
      (space) => (space === "\\\\" ? space : " "),
    )
    .replace(/\\[dtc]frac(?![a-zA-Z])/g, "\\frac")
    .replace(/\\[dt]binom(?![a-zA-Z])/g, "\\binom")
    .replace(/\{\s*([-+=:]|\\pm\s*)\s*\}/g, "$1")
    .replaceAll("{,}", ",")
    .replace(
      /\\(?:mathrm|textrm|textbf|textit|mathbf|mathit|mathsf|mbox|operatorname|emph)\s*\{/g,
      "\\text{",
    )
    .replace(/\\text\s*\{([a-zA-Z])\}/g, "$1")
    .replace(/\\(?:vec|hat|boldsymbol|bm|mathcal)\s*\{([^{}]*)\}/g, "$1")
    .replace(/\\(?:lbrace)(?![a-zA-Z])/g, "\\{")
    .replace(/\\(?:rbrace)(?![a-zA-Z])/g, "\\}")
    .replace(/\\(?:mid|vert)(?![a-zA-Z])/g, "|")
    .replace(/\\mathbb\s*\{?R\}?/g, "(-\\infty,\\infty)")
    .replace(/\\approx(?![a-zA-Z])/g, "=")
    .replace(/\^\s*\\prime(?![a-zA-Z])/g, "'")
    .trim();
}

const UNIT_WORDS =
  "degrees?|radians?|units?|square|cubic|sq|dollars?|cents?|euros?|pounds?|usd|percent|inch(?:es)?|in|feet|foot|ft|yards?|" +
  "miles?|mi|mph|kph|meters?|metres?|centimeters?|centimetres?|kilometers?|kilometres?|mm|cm|dm|km|kg|mg|lbs?|oz|" +
  "grams?|kilograms?|liters?|litres?|ml|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|hz";
const UNIT = String.raw`(?:${UNIT_WORDS})(?:\^\{?-?\d\}?)?`;
const PLAIN_UNITS = new RegExp(
  String.raw`([\d})\]a-zA-Z%])\s*(?:(?<![a-zA-Z])|(?<=\\pi))${UNIT}(?:\s*(?:/|per)?\s*(?:${UNIT}|[smhg]\b(?:\^\{?\d\}?)?))*$`,
  "i",
);
const TEXT_UNITS = /([^\s\\])\s*\\text\s*\{([^{}]*)\}(?:\s*\^\s*(?:\{-?\d\}|-?\d))?$/;
const COUNTED = /^([-+]?[\d.,/\s]*\d)\s+[a-z][a-z-]+(?:\s+[a-z-]+)*$/i;
const CURRENCY = /\\?[$\u00a3\u20ac\u00a5]|\\(?:pounds|euro)(?![a-zA-Z])/g;

/** Units are dropped, whatever they are: 5 cm, \$5, 72 apples, 3\text{ m}^2. */
export function withoutUnits(text: string): string {
  let result = text.replace(CURRENCY, "").trim();
  for (let round = 0; round < 4; round++) {
    const before = result;
    const unit = TEXT_UNITS.exec(result);
    if (unit && !/^\s*(?:and|or)\s*$/.test(unit[2]) && !/[,;]$/.test(unit[1])) {
      result = result.slice(0, unit.index) + unit[1];
    }
    result = result.replace(PLAIN_UNITS, "$1");
    const counted = COUNTED.exec(result);
    if (counted && !/\b(?:and|or)\b/i.test(result)) result = counted[1];
    result = result.trim();
    if (result === before) break;
  }
  return result;
}
