import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { type RunConfig, RunFolder } from "../runs/folder.ts";
import { Evaluations } from "./evaluations.ts";
import { RolloutLog } from "./rollouts.ts";

/** The metrics of one training step, as `train` writes them; parts of the reward as `reward.<part>`. */
export type StepLine = { step: number } & Record<string, number | null>;

/** A line of the file as a flat one. */
const flat = ({ rewardParts, ...line }: Record<string, unknown>) => {
  const parts = Object.entries(rewardParts ?? {}).map(([part, mean]) => [`reward.${part}`, mean]);
  return { ...line, ...Object.fromEntries(parts) } as StepLine;
};

/** The settings of a run that a report reads; old or foreign runs may lack any of them. */
export type RunSettings = Record<string, unknown> & { explore?: string; seed?: number };

/**
 * A run as a report sees it, whether it is over or goes on: `refresh` reads what was written since. A
 * line of metrics that is damaged or half written is left out and counted.
 */
export class ReportedRun {
  /** As `--run-name` has it, or else its folder. */
  readonly name: string;
  readonly folder: RunFolder;
  readonly config: RunConfig<RunSettings>;
  readonly rollouts: RolloutLog;
  readonly steps: StepLine[] = [];
  readonly evaluations: Evaluations;
  damagedLines = 0;
  /** Of `metrics.jsonl`: bytes read so far, and the file they were read from. */
  private read = 0;
  private inode = 0;
  private readonly metricsPath: string;

  constructor(readonly path: string) {
    this.folder = RunFolder.open(path, "the path");
    this.config = this.folder.readConfig(`leave ${path} out`);
    const { runName } = this.settings;
    this.name = typeof runName === "string" ? runName : basename(resolve(path));
    this.metricsPath = this.folder.metricsPath;
    this.evaluations = new Evaluations(path, this.settings.evalFile);
    this.rollouts = new RolloutLog(this.folder.ledgerPath);
  }

  get settings(): RunSettings {
    return this.config.settings;
  }

  get lastStep(): number {
    return this.steps.at(-1)?.step ?? 0;
  }

  /** Reads what is new; true if there was anything. */
  refresh(): boolean {
    const metrics = this.refreshMetrics();
    const evaluations = this.evaluations.refresh();
    const rollouts = this.rollouts.refresh();
    return metrics || evaluations || rollouts;
  }

  close() {
    this.rollouts.close();
  }

  private refreshMetrics(): boolean {
    const path = this.metricsPath;
    if (!existsSync(path)) return false;
    const { size, ino } = statSync(path);
    // a resumed run writes its past anew, without the steps that it will repeat
    if (ino !== this.inode || size < this.read) {
      this.inode = ino;
      this.read = 0;
      this.damagedLines = 0;
      this.steps.length = 0;
      this.evaluations.clear();
    }
    if (size === this.read) return false;
    const text = readFileSync(path).subarray(this.read);
    const end = text.lastIndexOf("\n") + 1;
    for (const line of text.toString("utf8", 0, end).split("\n")) this.addLine(line);
    this.read += end;
    return end > 0;
  }

  private addLine(text: string) {
    if (text.trim() === "") return;
    try {
      const line = JSON.parse(text);
      if (typeof line.step !== "number") throw new Error("no step");
      const { loss, tokenAccuracy } = line.evaluation?.figures ?? {};
      if (tokenAccuracy !== undefined) {
        this.steps.push({ step: line.step, heldOutLoss: loss, tokenAccuracy });
      } else if (line.evaluation) this.evaluations.add(line.step, line.evaluation);
      else this.steps.push(flat(line));
    } catch {
      this.damagedLines++;
    }
  }
}

/**
 * The folders of runs among these paths: a run stands for itself, another folder, such as one that
 * `compare` made, for the runs in it.
 */
export function findRuns(paths: readonly string[]): string[] {
  const found = paths.flatMap((path) => {
    if (!existsSync(path)) throw new UserError(`${path}: no such run; check the path`);
    const runs = runsIn(path, 2);
    if (runs.length === 0) {
      throw new UserError(`${path} is not a run and has none in it: there is no config.json`);
    }
    return runs;
  });
  return [...new Set(found)];
}

function runsIn(path: string, depth: number): string[] {
  if (!statSync(path).isDirectory()) return [];
  if (existsSync(join(path, "config.json"))) return [path];
  if (depth === 0 || existsSync(join(path, "metrics.jsonl"))) return [];
  return readdirSync(path)
    .sort()
    .flatMap((name) => runsIn(join(path, name), depth - 1));
}
