/** What is known of a step; what does not apply (KL without a reference model) is null or left out. */
export interface StepMetrics {
  /** Mean loss per token. */
  loss?: number | null;
  /** The same of held-out rows, and the share of their tokens that no other was likelier than. */
  heldOutLoss?: number | null;
  tokenAccuracy?: number | null;
  reward?: number | null;
  /** Share of this step's completions that are right. */
  passAt1?: number | null;
  /** Mean number of distinct answers in a group. */
  distinct?: number | null;
  /** Share of all questions solved at least once so far, from 0 to 1. */
  solved?: number | null;
  /** Shares of completions, and of groups that all earn the same in. */
  truncated?: number | null;
  noAnswer?: number | null;
  equalRewards?: number | null;
  /** Mean over tokens, in nats. */
  entropy?: number | null;
  /** Mean over tokens, k3 estimate. */
  kl?: number | null;
  gradNorm?: number | null;
  /** Of the step's last update. */
  learningRate?: number | null;
  samplingTokensPerSecond?: number | null;
  learningTokensPerSecond?: number | null;
}

/** Label, then form of the number; in the order and the lines of the display. */
const FIELDS: Record<
  keyof StepMetrics,
  [label: string, form: (x: number) => string, line: number]
> = {
  loss: ["loss", (x) => x.toFixed(4), 0],
  heldOutLoss: ["held-out loss", (x) => x.toFixed(4), 0],
  tokenAccuracy: ["token accuracy", (x) => `${(100 * x).toFixed(1)}%`, 0],
  reward: ["reward", (x) => x.toFixed(3), 0],
  passAt1: ["pass@1", (x) => x.toFixed(3), 0],
  distinct: ["distinct", (x) => x.toFixed(2), 0],
  solved: ["solved", (x) => `${(100 * x).toFixed(1)}%`, 0],
  entropy: ["entropy", (x) => x.toFixed(3), 1],
  kl: ["KL", (x) => x.toPrecision(3), 1],
  gradNorm: ["grad norm", (x) => x.toPrecision(3), 1],
  learningRate: ["lr", (x) => String(Number(x.toPrecision(3))), 1],
  truncated: ["cut off", percent, 1],
  noAnswer: ["no answer", percent, 1],
  equalRewards: ["equal groups", percent, 1],
  samplingTokensPerSecond: ["sampling", rate, 2],
  learningTokensPerSecond: ["learning", rate, 2],
};

function percent(share: number): string {
  return `${Math.round(100 * share)}%`;
}

function rate(tokensPerSecond: number): string {
  const thousands = tokensPerSecond >= 1000;
  const value = thousands ? `${(tokensPerSecond / 1000).toFixed(1)}k` : tokensPerSecond.toFixed(0);
  return `${value} tokens/s`;
}

/** The metrics that are known, as text. */
export const describe = (metrics: StepMetrics): [label: string, value: string, line: number][] =>
  Object.entries(FIELDS).flatMap(([key, [label, form, line]]) => {
    const value = metrics[key as keyof StepMetrics];
    return typeof value === "number" ? [[label, form(value), line]] : [];
  });

/** The metrics as lines of the display. */
function linesOf(metrics: StepMetrics, width: number): string[] {
  const lines: string[][] = [[], [], []];
  for (const [label, value, line] of describe(metrics)) lines[line].push(`${label} ${value}`);
  return lines.filter((fields) => fields.length > 0).flatMap((line) => fill(line, "  ", width));
}

/** Puts pieces into lines of at most this width; none is cut. */
export function fill(pieces: readonly string[], between: string, width: number): string[] {
  const lines = [pieces[0]];
  for (const piece of pieces.slice(1)) {
    const longer = `${lines[lines.length - 1]}${between}${piece}`;
    if (longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(piece);
  }
  return lines;
}

export function duration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`;
  return `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m`;
}

export interface ProgressOptions {
  /** Steps of the whole run. */
  total: number;
  quiet: boolean;
  json: boolean;
  /** Where the text goes; standard output unless a test listens. */
  output?: { write(text: string): unknown; isTTY?: boolean; columns?: number };
  /** Milliseconds. */
  now?: () => number;
}

/** Is told what is being done, and how many seconds of steps are left. */
export type Follower = (activity: string, left: number | null) => void;

/** Steps whose durations the time left is estimated from. */
const WINDOW = 20;

/**
 * What a command shows while it works: on a terminal a block that is redrawn in place, elsewhere a line a
 * step; with `json` one object a line instead, with `quiet` nothing but results.
 */
export class Progress {
  private readonly output: NonNullable<ProgressOptions["output"]>;
  private readonly now: () => number;
  private readonly live: boolean;
  /** When the last few steps ended; the first is when they began. */
  private times: number[];
  private block: string[] = [];
  private status = "";
  private follower: Follower = () => {};
  /** Seconds, as estimated at the last step; null before it. */
  private left: number | null = null;
  /** Lines of the block on the screen now. */
  private drawn = 0;

  constructor(private readonly options: ProgressOptions) {
    this.output = options.output ?? process.stdout;
    this.now = options.now ?? (() => performance.now());
    this.live = this.output.isTTY === true && !options.quiet && !options.json;
    this.times = [this.now()];
  }

  /** One line of news: the adapter, a warning, a checkpoint. It stays above the block. */
  note(text: string) {
    if (this.options.json) this.print(JSON.stringify({ type: "note", text }));
    else if (this.live) this.print(this.wrapped(text));
    else if (!this.options.quiet) this.print(text);
  }

  /** What is being done right now; seen on a terminal, and by who follows. */
  activity(text: string) {
    this.status = text;
    this.follower(text, this.left);
    if (this.live) this.print();
  }

  /** Has somebody told of every activity and step from now on. */
  follow(follower: Follower) {
    this.follower = follower;
  }

  /** The first step begins: the time left does not count what came before. */
  start() {
    this.times = [this.now()];
  }

  /** A step has ended. `step` counts from 1. */
  step(step: number, metrics: StepMetrics) {
    const { total, json, quiet } = this.options;
    this.times.push(this.now());
    if (this.times.length > WINDOW + 1) this.times.shift();
    const spent = (this.times[this.times.length - 1] - this.times[0]) / (this.times.length - 1);
    const eta = (spent * (total - step)) / 1000;
    this.left = Math.round(eta);
    this.follower(this.status, this.left);
    if (json) {
      return this.print(JSON.stringify({ type: "step", step, total, eta: this.left, ...metrics }));
    }
    if (quiet) return;
    const left = step < total ? `  ETA ${duration(eta)}` : "";
    const head = `step ${step}/${total}`;
    if (!this.live) {
      return this.print([head, ...linesOf(metrics, Number.POSITIVE_INFINITY)].join("  ") + left);
    }
    const length = Math.max(0, Math.min(30, this.width - head.length - 2 - left.length));
    const filled = Math.round((length * step) / total);
    const bar = "█".repeat(filled) + "░".repeat(length - filled);
    this.block = [`${head}  ${bar}${left}`, ...linesOf(metrics, this.width)];
    this.print();
  }

  /** A result: shown in every mode, as `text` or, with `json`, as an object of this `type`. */
  result(type: string, data: object, text: string) {
    this.print(this.options.json ? JSON.stringify({ type, ...data }) : text);
  }

  /** The work is over: the block stays as it is and what follows is printed below it. */
  end() {
    this.status = "";
    if (this.live) this.print();
    this.drawn = 0;
    this.block = [];
  }

  /** Columns to write in: a line that fills the terminal would wrap. */
  private get width(): number {
    return (this.output.columns || 80) - 1;
  }

  private wrapped(text: string): string {
    return text
      .split("\n")
      .flatMap((line) => fill(line.split(" "), " ", this.width))
      .join("\n");
  }

  /** Prints lines above the block and draws the block again under them. */
  private print(text?: string) {
    const block = this.live ? [...this.block, this.status].filter(Boolean) : [];
    // the terminal may have become narrower: the block must not be higher than counted
    const lines = block.map((line) => `${line.slice(0, this.width)}\n`);
    // Ctrl-C leaves the cursor behind an echoed ^C
    const erase = this.drawn > 0 ? `\r\x1b[${this.drawn}A\x1b[J` : "";
    this.output.write(`${erase}${text === undefined ? "" : `${text}\n`}${lines.join("")}`);
    this.drawn = lines.length;
  }
}

/** The results of one model on the held-out questions. */
export interface PassRow {
  name: string;
  /** Pairs of k and pass@k, k ascending; the same k in every row of a table. */
  passAtK: readonly (readonly [k: number, value: number])[];
  /** Mean number of distinct answers to a question, among the samples drawn. */
  distinct: number;
}

/** A table with a row for each model and, for two, a row of what changed. */
export function passTable(title: string, rows: readonly PassRow[]): string {
  const heads = ["", ...rows[0].passAtK.map(([k]) => `pass@${k}`), "distinct"];
  const values = rows.map((row) => [...row.passAtK.map(([, value]) => value), row.distinct]);
  const digits = (i: number) => (i === heads.length - 2 ? 2 : 3);
  const body = rows.map((row, r) => [row.name, ...values[r].map((v, i) => v.toFixed(digits(i)))]);
  if (rows.length === 2) {
    const [before, after] = values;
    const change = after.map((value, i) => {
      const text = (value - before[i]).toFixed(digits(i));
      return text.startsWith("-") ? text : `+${text}`;
    });
    body.push(["change", ...change]);
  }
  return table(title, [heads, ...body]);
}

/** Lines of cells below each other: the first of a line on the left, the others on the right of their columns. */
export function table(title: string, lines: readonly (readonly string[])[]): string {
  const widths = lines[0].map((_, i) => Math.max(...lines.map((cells) => cells[i].length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join("  ")
      .trimEnd();
  return [title, ...lines.map(line)].join("\n");
}
