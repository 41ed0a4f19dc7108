import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { drawnText, type Evaluation, figuresAt, readEvaluation } from "../measuring/evaluation.ts";
import type { Figures } from "../measuring/figures.ts";

/** A model on held-out questions. */
export interface HeldOut {
  /** By name, as in `beyond/measuring/figures.ts`; null where a figure is not defined. */
  values: Record<string, number | null>;
  /** The figures by question, where the counts were kept. */
  figures: Figures | null;
  /** Equal in evaluations that may be compared: of the same questions, sampled in the same way, as often. */
  likeness: string;
  /** The questions and the sampling in words: `held-out.jsonl (128 questions, 32 samples each, temperature 1)`. */
  asked: string;
  /** Null where an older version did not keep it. */
  temperature: number | null;
}

/**
 * The evaluations of a run, by step: those in its folder `evaluations`, and for steps without a file those in
 * its metrics. Where there are several files of questions, those of `--eval-file`, or of most evaluations.
 */
export class Evaluations {
  private readonly lines = new Map<number, HeldOut>();
  private readonly files = new Map<string, { changed: number; heldOut: HeldOut | null }>();
  private readonly folder: string;
  private paths = new Map<number, string>();
  /** Steps with a file, of these questions or of others. */
  private filed = new Set<number>();

  constructor(
    run: string,
    private readonly evalFile: unknown,
  ) {
    this.folder = join(run, "evaluations");
  }

  /** Steps with an evaluation, ascending. */
  get steps(): number[] {
    const lines = [...this.lines.keys()].filter((step) => !this.filed.has(step));
    return [...new Set([...lines, ...this.paths.keys()])].sort((a, b) => a - b);
  }

  at(step: number): HeldOut | null {
    const path = this.paths.get(step);
    if (path) return this.files.get(path)?.heldOut ?? this.lines.get(step) ?? null;
    // a line does not say of which questions it is: where there is a file of others, it is of those
    return this.filed.has(step) ? null : (this.lines.get(step) ?? null);
  }

  /** A line of the metrics. */
  add(step: number, { figures, questions, samples, sampling }: Evaluation) {
    const likeness = JSON.stringify({ questions, samples, sampling });
    const file = typeof this.evalFile === "string" ? basename(this.evalFile) : "a file";
    const asked = `${file} (${drawnText(questions, samples, sampling)})`;
    const { temperature = null } = sampling ?? {};
    this.lines.set(step, { values: figures, figures: null, likeness, asked, temperature });
  }

  /** Forgets the lines of the metrics. */
  clear() {
    this.lines.clear();
  }

  /** Reads the files that are new or changed; true if there were any. */
  refresh(): boolean {
    this.paths = this.find();
    let changed = false;
    for (const path of this.paths.values()) {
      const { mtimeMs } = statSync(path);
      if (this.files.get(path)?.changed === mtimeMs) continue;
      this.files.set(path, { changed: mtimeMs, heldOut: read(path) });
      changed = true;
    }
    return changed;
  }

  private find(): Map<number, string> {
    const byData = new Map<string, Map<number, string>>();
    this.filed = new Set();
    const names = existsSync(this.folder) ? readdirSync(this.folder).sort() : [];
    for (const name of names) {
      const [, data, step] = /^(.+?)-(\d+)(?:\.eval(?:-\d+)?)?\.json$/.exec(name) ?? [];
      if (data === undefined) continue;
      this.filed.add(Number(step));
      // sorted, a file of eval comes before that of train, which stands for the step
      const paths = byData.get(data) ?? new Map<number, string>();
      byData.set(data, paths.set(Number(step), join(this.folder, name)));
    }
    const asked = typeof this.evalFile === "string" ? this.evalFile : "";
    const most = [...byData.values()].sort((a, b) => b.size - a.size)[0];
    return byData.get(basename(asked, extname(asked))) ?? most ?? new Map();
  }
}

/** Null for a file that cannot be read: the line of the metrics stands in for it. */
function read(path: string): HeldOut | null {
  try {
    const { figures: estimates, questions, ...how } = readEvaluation(path);
    const { data, samples, sampling } = how;
    const asked = questions.map(({ question, gold }) => [question, gold]);
    const values = Object.entries(estimates).map(([name, { value }]) => [name, value]);
    const ks = Object.keys(estimates).flatMap((name) => /^pass@(\d+)$/.exec(name)?.[1] ?? []);
    return {
      values: Object.fromEntries(values),
      figures: figuresAt(questions, ks.map(Number)),
      likeness: JSON.stringify({ asked, samples, sampling }),
      asked: `${basename(data ?? "a file")} (${drawnText(asked.length, samples, sampling)})`,
      temperature: sampling?.temperature ?? null,
    };
  } catch {
    return null;
  }
}
