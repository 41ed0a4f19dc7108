import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { z } from "zod";
import { UserError } from "../../lib/errors.ts";
import type { TuningTable } from "../kernels/variants.ts";
import { adapterIn } from "../lora/peft.ts";
import { diskError, replaceFile } from "../platform/files.ts";
import { commandOf } from "../settings/stored.ts";
import { command } from "../terminal/program.ts";
import { checkpointPath, checkpointSteps } from "./checkpoint.ts";
import { Origins } from "./origins.ts";
import { BrokenSeal, sealed, unsealed } from "./sealed.ts";
import { EventFile, taggedNumbers } from "./tensorboard.ts";

/** `config.json` of a run: everything needed to repeat it. */
export interface RunConfig<Settings extends object> {
  settings: Settings;
  /** By hash, what the run was begun with; version 0.1.0 did not keep that. */
  origins?: Origins;
  /** Of rlexplore and of what it runs on. */
  versions: Record<string, string>;
  adapter: Record<string, unknown>;
  /** Which kernels are used: same seed, adapter and table, same bits. */
  tuning: TuningTable;
}

/** What a run is doing, as it says itself in `activity.json` while it goes on. */
const Activity = z.object({
  activity: z.string(),
  /** Seconds of steps that are left, as estimated then. */
  left: z.number().nullable(),
  /** When it was said, in milliseconds since 1970. */
  at: z.number(),
});
export type Activity = z.infer<typeof Activity>;

const Config = z.object({
  settings: z.record(z.string(), z.unknown()),
  origins: Origins.optional(),
  versions: z.record(z.string(), z.string()).default({}),
  adapter: z.record(z.string(), z.unknown()).default({}),
  tuning: z.record(z.string(), z.string()).optional(),
});

/**
 * The folder of a run: `config.json`, `metrics.jsonl` with a line a step, `ledger.sqlite` with every
 * rollout, and `checkpoint-<step>` folders.
 */
export class RunFolder {
  /** Where metrics go besides, with `--tensorboard`. */
  private events: EventFile | null = null;

  private constructor(readonly path: string) {}

  get configPath(): string {
    return join(this.path, "config.json");
  }

  get ledgerPath(): string {
    return join(this.path, "ledger.sqlite");
  }

  get metricsPath(): string {
    return join(this.path, "metrics.jsonl");
  }

  private get activityPath(): string {
    return join(this.path, "activity.json");
  }

  /** Makes a new folder; without a name, the first free `runs/<data>-<n>`. An existing one is never touched. */
  static create(outputDir: string | null, data: string): RunFolder {
    const stem = data === "-" ? "stdin" : basename(data, extname(data)) || "run";
    for (let n = 1; ; n++) {
      const path = outputDir ?? join("runs", `${stem}-${n}`);
      try {
        mkdirSync(join(path, ".."), { recursive: true });
        mkdirSync(path);
        return new RunFolder(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw diskError(error, path);
        RunFolder.requireFree(outputDir);
        // what exists is then not the folder but a file on the way to it
        if (outputDir !== null || !existsSync(path)) {
          throw new UserError(
            `${path} cannot be made: a file is in the way; choose another --output-dir`,
          );
        }
      }
    }
  }

  /** Refuses a folder that is there already: a run never writes over another. */
  static requireFree(outputDir: string | null) {
    if (outputDir === null || !existsSync(outputDir)) return;
    if (!statSync(outputDir).isDirectory()) {
      throw new UserError(`${outputDir} is a file, not a folder; choose another --output-dir`);
    }
    const name = commandIn(join(outputDir, "config.json"));
    const way =
      name === null
        ? "delete it if a run that was killed at its beginning left it"
        : `go on with that run: ${command`${name} --resume ${outputDir}`}`;
    throw new UserError(`${outputDir} already exists; choose another --output-dir, or ${way}`);
  }

  /** Opens the folder of an earlier run, which was named in `where`. */
  static open(path: string, where = "--resume"): RunFolder {
    if (!existsSync(path)) throw new UserError(`${path}: no such run; check ${where}`);
    if (!existsSync(join(path, "config.json"))) {
      const left = existsSync(join(path, "ledger.sqlite.lock"));
      const why = left ? "it was killed before its first step: start it again" : `check ${where}`;
      throw new UserError(`${path} is not a run: it has no config.json; ${why}`);
    }
    return new RunFolder(path);
  }

  writeConfig(config: RunConfig<object>) {
    replaceFile(this.configPath, sealed(config));
  }

  /** @param fix what to do about a file that is no such configuration */
  readConfig<Settings extends object>(fix = "check --resume, or start anew"): RunConfig<Settings> {
    const path = this.configPath;
    try {
      return Config.parse(unsealed(readFileSync(path, "utf8"))) as RunConfig<Settings>;
    } catch (error) {
      if (error instanceof BrokenSeal) {
        throw new UserError(
          `${path} was changed since the run wrote it; put it back, or delete its line "check" to have it taken as it is`,
        );
      }
      if (!(error instanceof SyntaxError || error instanceof z.ZodError)) {
        throw diskError(error, path);
      }
    }
    throw new UserError(`${path} is not the config.json of a run; ${fix}`);
  }

  /** Adds one line to `metrics.jsonl`. Numbers that JSON has no word for (NaN) become null. */
  appendMetrics(metrics: { step: number } & Record<string, unknown>) {
    const path = this.metricsPath;
    try {
      appendFileSync(path, `${JSON.stringify(metrics)}\n`);
    } catch (error) {
      throw diskError(error, path);
    }
    this.events?.append(metrics.step, taggedNumbers(metrics));
  }

  /**
   * From now on metrics are also written for TensorBoard, in a file of their own that takes back what
   * earlier ones say of steps after `step`.
   */
  openEvents(step: number) {
    const resumed = readdirSync(this.path).some((name) => name.includes("tfevents"));
    this.events = new EventFile(this.path, resumed ? step + 1 : null);
  }

  /** Says what is being done, to those who watch; null when nothing is any more. */
  tell(activity: string | null, left: number | null = null) {
    try {
      if (activity === null) return rmSync(this.activityPath, { force: true });
      writeFileSync(this.activityPath, JSON.stringify({ activity, left, at: Date.now() }));
    } catch {
      // what fails here fails where something depends on it
    }
  }

  /** What was said last; null where nothing was. */
  readActivity(): Activity | null {
    try {
      return Activity.parse(JSON.parse(readFileSync(this.activityPath, "utf8")));
    } catch {
      return null;
    }
  }

  /** @throws UserError if the folder was deleted or moved away since */
  requireThere() {
    if (existsSync(this.configPath)) return;
    throw new UserError(`${this.path} was deleted or moved while the run went on; it ends here`);
  }

  /** Adds the line of an evaluation, in place of one that a killed run has left of the same step. */
  appendEvaluation(step: number, evaluation: object) {
    this.keepMetrics((line) => line.step !== step || line.evaluation === undefined);
    this.appendMetrics({ step, evaluation });
  }

  /** Drops the lines of steps after `step`, and a last line that a kill cut short. */
  removeMetricsAfter(step: number) {
    this.keepMetrics((line) => line.step <= step);
  }

  private keepMetrics(isKept: (line: { step: number; evaluation?: object }) => boolean) {
    const path = this.metricsPath;
    if (!existsSync(path)) return;
    const text = readFileSync(path, "utf8");
    const kept = text.split("\n").filter((line) => {
      try {
        return isKept(JSON.parse(line));
      } catch {
        return false;
      }
    });
    const left = kept.map((line) => `${line}\n`).join("");
    if (left !== text) replaceFile(path, left);
  }
}

/** The command that goes on with a run; null where there is no configuration. */
function commandIn(config: string): string | null {
  try {
    return commandOf(JSON.parse(readFileSync(config, "utf8")).settings);
  } catch {
    return null;
  }
}

/** The run that a model is of, by its own folder or that of a checkpoint; null for any other model. */
export function runOf(model: string): RunFolder | null {
  const run = /^checkpoint-\d+$/.test(basename(model)) ? dirname(model) : model;
  const isRun = ["config.json", "metrics.jsonl"].every((name) => existsSync(join(run, name)));
  return isRun ? RunFolder.open(run, "--model") : null;
}

/** Where `--model` points: a run stands for its newest checkpoint, anything else for itself. */
export function modelPath(path: string): string {
  // before a run's first step there is nothing but its lock
  const isRun = ["metrics.jsonl", "ledger.sqlite.lock"].some((name) =>
    existsSync(join(path, name)),
  );
  if (!isRun) return path;
  const step = checkpointSteps(path).pop();
  if (step === undefined) throw new UserError(`${path} is a run that has saved no checkpoint yet`);
  return checkpointPath(path, step);
}

/** The LoRA that `--model` points to; null for a whole model. */
export const adapterOf = (model: string) => adapterIn(modelPath(model));
