/** Frees an answer of what does not change its meaning: markup, spacing, Unicode forms. */

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
  "\u2248": "\\approx ",
  "\u2264": "\\le ",
  "\u2265": "\\ge ",
  "\u2260": "\\ne ",
  "\u2208": "\\in ",
  "\u222a": "\\cup ",
  "\u00b1": "\\pm ",
  "\u2205": "\\emptyset ",
  "\u211d": "\\mathbb{R}",
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
const SUPERSCRIPTS = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079";
const UNICODE_PATTERN = new RegExp(`[${Object.keys(UNICODE).join("")}]`, "g");

/** Without dollar signs around it, bold, \text{...} or \boxed{...} around the whole, a final stop. */
export function unwrap(answer: string): string {
  let text = plainCharacters(answer).trim();
  // each round removes at least two characters of at most a thousand
  for (;;) {
    const next = text
      .replace(/^(?:\*\*|__)([\s\S]*)(?:\*\*|__)$/, "$1")
      .replace(/^\$+([^$]*)\$+$/, "$1")
      .replace(/^\\[([]([\s\S]*)\\[)\]]$/, "$1")
      .replace(
        /^\\(?:text|textbf|textit|textnormal|textrm|textsf|texttt|mathrm|mathbf|mathit|mbox|boxed|underline|emph)\s*\{([^{}]*)\}$/,
        "$1",
      )
      .replace(/^\\(?:boxed|fbox)\s*\{([\s\S]*)\}$/, (whole, inside) =>
        isBalanced(inside) ? inside : whole,
      )
      .replace(
        /^`+([^`]*)`+$|^["']([^"']*)["']$|^\u201c([^\u201d]*)\u201d$/,
        (_, a, b, c) => a ?? b ?? c,
      )
      .replace(/(?:(?<!\\)[,;\u3002]|(?<![\\.])\.|\\\\)$/, "")
      .trim();
    if (next === text) return text;
    text = next;
  }
}

/** Full-width digits and letters are plain ones. */
const plainCharacters = (text: string): string =>
  text.replace(/[\uff01-\uff5e]/g, (c) => c.normalize("NFKC"));

function isBalanced(text: string): boolean {
  let depth = 0;
  for (const brace of text.match(/(?<!\\)[{}]/g) ?? []) {
    depth += brace === "{" ? 1 : -1;
    if (depth < 0) return false;
  }
  return depth === 0;
}

const isNumeric = (text: string) =>
  /\d/.test(text) && !/[a-zA-Z]/.test(text.replace(/\\[a-zA-Z]+/g, ""));

/** \text{A} is a letter, once units are gone. */
export const plainLetters = (text: string): string =>
  text.replace(/\\text\s*\{\s*([a-zA-Z])\s*\}/g, "$1");

const LINES =
  /\\begin\s*\{((?:align(?:ed)?|gather(?:ed)?|equation|split)\*?)\}(.*?)\\end\s*\{\1\}/gs;
const PERCENT =
  /([\d})])\s*(?:\\text\w*\s*\{\s*)?(?:percent(?:age)?|per\s?cent|pct)(?![a-zA-Z])\.?(?:\s*\})?/gi;

/** One spelling for each LaTeX command and Unicode character. */
export function plainLatex(answer: string): string {
  return (
    answer
      .replace(/(?<!\\)\$([^$]*[^$\\])\$/g, "$1")
      .replace(UNICODE_PATTERN, (c) => UNICODE[c])
      .replace(
        /\\(?:text)?color\s*\{[^{}]*\}|\{\s*\\(?:bf|it|rm|sf|tt|em|bfseries|itshape|[lL]arge|LARGE|[hH]uge|small|normalsize)(?![a-zA-Z])([^{}]*)\}/g,
        "$1",
      )
      .replace(/(?<![a-zA-Z])d([a-zA-Z])\s*\/\s*d([a-zA-Z])(?![a-zA-Z])/g, "\\frac{d$1}{d$2}")
      .replace(LINES, (_, _kind, lines: string) =>
        lines.includes("\\\\") ? `\\begin{cases}${lines}\\end{cases}` : lines.replaceAll("&", ""),
      )
      .replace(/\\begin\{(?:cases|array)\}.*\\end\{(?:cases|array)\}/gs, (system) =>
        system.includes("=")
          ? system.replace(/[,;.]\s*(?=\\\\(?!\w)|\\end)/g, "").replaceAll("&", "")
          : system,
      )
      .replace(/^\\left\s*\\\{\s*(?=\\begin)(.*\\end\{\w+\})\s*\\right\.?$/s, "$1")
      .replace(/(\d)\s*\^\s*\{?\s*(?:\\text\s*\{\s*)?(?:st|nd|rd|th)\s*\}?\s*\}?$/, "$1")
      .replace(
        /\{?([^{}\s]+|\{[^{}]*\})\s*\\over(?![a-zA-Z])\s*([^{}\s]+|\{[^{}]*\})\}?/g,
        "\\frac{$1}{$2}",
      )
      .replace(/\+\s*\/\s*-|(?<=^|=\s*)\+-/g, "\\pm ")
      .replace(PERCENT, "$1\\%")
      .replace(/\u207b?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+/g, (power) => {
        const digits = [...power].map((c) => (c === "\u207b" ? "-" : SUPERSCRIPTS.indexOf(c)));
        return `^{${digits.join("")}}`;
      })
      .replace(/\u221b\s*(\d+|[a-z]|\([^()]*\))/g, "\\sqrt[3]{$1}")
      .replace(/(?<=\d),\s*(?:\\[!,]\s*)+(?=\d{3})/g, ",")
      .replace(/(?<=\d)\s*\{\s*,\s*\}\s*(?=\d{3}(?!\d))/g, (_, at, all) =>
        /(?:^|[^\d},])0$/.test(all.slice(0, at)) ? "." : ",",
      )
      .replace(/(?<=\d)\s*\{\s*,\s*\}\s*(?=\d)/g, ".")
      .replace(/\\!|(?<=\d)\\,(?=\d)/g, "")
      .replace(
        /\\(?:left|right|middle|[bB]igg?[lrm]?|displaystyle|textstyle|limits)(?![a-zA-Z])\.?/g,
        "",
      )
      .replace(/\\\\\s*\[\s*[\d.]+\s*(?:pt|em|ex|mm|cm)\s*\]/g, "\\\\")
      .replace(
        /\\\\|\\(?:[!,;:> ]|q?quad(?:(?![a-zA-Z])|(?=[a-z]_))|hspace\{[^{}]*\}|thinspace(?![a-zA-Z]))|~/g,
        (space) => (space === "\\\\" ? space : " "),
      )
      .replace(/\\[dtc]frac(?![a-zA-Z])/g, "\\frac")
      .replace(/\\[dt]binom(?![a-zA-Z])/g, "\\binom")
      .replace(/\{([^{}]*)\\choose(?![a-zA-Z])([^{}]*)\}/g, "\\binom{$1}{$2}")
      .replace(/(\d*\.\d*)\\(?:bar|dot)\s*(?:\{(\d+)\}|(\d))/g, "$1\\overline{$2$3}")
      .replace(/\\lg(?![a-zA-Z])/g, "\\log")
      .replace(/\\bigcup(?![a-zA-Z])/g, "\\cup")
      .replace(/\\colon(?![a-zA-Z])/g, ":")
      .replace(/\\(?:operatorname|mathrm|text)\s*\{\s*cis\s*\}/g, "\\cis ")
      .replace(/\{\s*([-+=:]|\\pm\s*)\s*\}/g, "$1")
      .replaceAll("{,}", ",")
      .replace(
        /\\(?:mathrm|textrm|textbf|textit|textnormal|textsf|texttt|mathbf|mathit|mathsf|mbox|operatorname|emph)\s*\{/g,
        "\\text{",
      )
      // \hat{y} is a name of its own, as one with a subscript is; \hat{i} is a direction
      .replace(
        /\\(?:wide)?hat\s*(?:\{\s*((?![ijk]\s*\})[a-zA-Z]|\\[a-z]+)\s*\}|\s((?![ijk])[a-zA-Z])|(\\[a-z]+))(?:_(\d|\{\w+\}))?/g,
        (_, a, b, c, under = "") => `${a ?? b ?? c}_{hat${under.replace(/[{}]/g, "")}}`,
      )
      .replace(/\\(?:vec|hat|boldsymbol|bm|mathcal|underline)\s*\{([^{}]*)\}/g, "$1")
      .replace(/\\(?:lbrace)(?![a-zA-Z])/g, "\\{")
      .replace(/\\(?:rbrace)(?![a-zA-Z])/g, "\\}")
      .replace(/\\(?:mid|vert)(?![a-zA-Z])/g, "|")
      .replace(
        /\\mathbb\s*\{?R\}?\s*(?:\\setminus|\\backslash|-)\s*\\\{([^{}]*)\\\}/g,
        (_, points) =>
          points
            .split(",")
            .map((point: string) => `x\\ne ${point}`)
            .join(","),
      )
      .replace(/\\mathbb\s*\{?R\}?/g, "(-\\infty,\\infty)")
      .replace(/^(.*?)\\approx(?![a-zA-Z])(.*)$/s, (_, exact, near) =>
        // 1/36, about 0.0278, is 1/36; but x, about 5, is 5
        isNumeric(exact.split("=").pop()) ? exact : `${exact}=${near}`,
      )
      .replace(/\^\s*(?:\{\s*((?:\\prime\s*)+)\}|(\\prime)(?![a-zA-Z]))/g, (_, many, one) =>
        "'".repeat((many ?? one).match(/\\prime/g).length),
      )
      .trim()
  );
}
