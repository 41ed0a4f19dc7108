/** Whether what an experiment's folder holds was made with what the experiment names now. */
import { existsSync } from "node:fs";
import { basename, isAbsolute, resolve } from "node:path";
import { textOf } from "../../lib/data/questions.ts";
import { UserError } from "../../lib/errors.ts";
import { isHubName } from "../hub/hub.ts";
import { readEvaluation } from "../measuring/evaluation.ts";
import { openNamedModel } from "../opening/named-model.ts";
import { type RowSettings, readData } from "../opening/questions.ts";
import { hashOf } from "../own/code.ts";
import { isOwnFile, type OwnSettings, ownFilesOf, SUMS } from "../own/file.ts";
import { checkpointSteps } from "../runs/checkpoint.ts";
import { modelPath, RunFolder } from "../runs/folder.ts";
import { hashIn, modelHash, type Origins } from "../runs/origins.ts";
import { optionName } from "../settings/flags.ts";
import { EMBEDDED } from "../settings/shared.ts";
import { CHANGEABLE, storedSettings } from "../settings/stored.ts";
import type { Experiment, PlannedRun } from "./experiment.ts";
import { evaluationOf, folderOf, isBegun, isEvaluated } from "./folders.ts";

/** What can be done where something cannot be put back. */
const ANEW = "delete it, or choose another --output-dir";

/**
 * Refuses an experiment whose runs or evaluations were made with other settings, rows, model or own code than it
 * has now. What an older version made lacks some of the record, and is taken as it is in that. Equal content counts,
 * wherever it lies.
 * @param file of the experiment, for messages
 * @throws UserError naming the run, what is another, and the fix
 */
export async function requireSame({ runs }: Experiment, file: string): Promise<void> {
  const contents = new Contents();
  for (const run of runs) {
    const config = isBegun(run)
      ? RunFolder.open(folderOf(run)).readConfig<Record<string, unknown>>()
      : null;
    requireModel(run, config?.settings.model, file);
    if (!config) continue;
    requireSettings(run, config.settings, config.origins);
    if (config.origins) await requireOrigins(run, config.settings, config.origins, contents);
    for (const step of run.checkpoints) {
      if (isEvaluated(run, step)) await requireEvaluation(run, step, contents);
      else requireCheckpoint(run, step, file);
    }
  }
}

/** What experiment and runs name, each read once. */
class Contents {
  private readonly known = new Map<string, Promise<unknown>>();

  /** The hash of these rows, how many there are, and their texts. */
  rows(settings: RowSettings & OwnSettings) {
    const { data, split, subset, limit, skipBad, questionField, answerField, outcome } = settings;
    const { systemPrompt, promptTemplate } = settings;
    const fields = [questionField, answerField, systemPrompt, promptTemplate];
    const key = JSON.stringify([data, split, subset, limit, skipBad, outcome, ...fields]);
    return this.once(key, async () => {
      const { rows } = await readData(settings, () => {});
      return { data: rows.hash(), rows: rows.length, texts: Array.from(rows, textOf) };
    });
  }

  model(name: string) {
    return this.once(name, async () => modelHash(await openNamedModel(name)));
  }

  private once<T>(key: string, read: () => Promise<T>): Promise<T> {
    const found = this.known.get(key) ?? read();
    this.known.set(key, found);
    return found as Promise<T>;
  }
}

/** @param stored the model of the run, if it was begun */
function requireModel({ settings: { model } }: PlannedRun, stored: unknown, file: string): void {
  if (model === EMBEDDED || existsSync(model)) return;
  if (isHubName(model) && !isAbsolute(String(stored ?? ""))) return;
  throw new UserError(`${model}: no such model; put it back, or correct model in ${file}`);
}

function requireSettings(
  run: PlannedRun,
  settings: Record<string, unknown>,
  origins: Origins | undefined,
): void {
  const wanted = { ...run.settings, model: modelPath(run.settings.model) };
  for (const [key, value] of Object.entries(storedSettings(wanted))) {
    const stored = settings[key];
    // what depends on model and data was settled when the run began; older versions knew fewer settings
    const wasSettled = value === null || value === "auto" || stored === undefined;
    if (key === "outputDir" || CHANGEABLE.has(key) || wasSettled) continue;
    const place = (value: unknown) => (origins ? placeless(key, value) : JSON.stringify(value));
    if (place(stored) === place(value)) continue;
    throw unlike(run, key, stored, value);
  }
}

const unlike = (run: PlannedRun, key: string, stored: unknown, value: unknown) =>
  new UserError(
    `${folderOf(run)} was made with --${optionName(key)} ${stored}, the experiment says ${value}; ${ANEW}`,
  );

/** A setting in which files and folders, which are compared by their content, stand for that. */
function placeless(key: string, value: unknown): string {
  const isFile = (term: string) => isOwnFile(term.split("=")[0]);
  const isLocal = typeof value === "string" && isAbsolute(value);
  if ((key === "data" || key === "model") && isLocal) return "here";
  if (key !== "outcome" && !SUMS.some((sum) => sum === key)) return JSON.stringify(value);
  const terms = String(value).split(",");
  return terms.map((term) => (isFile(term) ? basename(term) : term)).join(",");
}

async function requireOrigins(
  run: PlannedRun,
  stored: Record<string, unknown>,
  origins: Origins,
  contents: Contents,
): Promise<void> {
  const folder = folderOf(run);
  const { data, model } = run.settings;
  const refuse = (what: string, back: string) =>
    new UserError(`${folder} was made with ${what}; put ${back} back, or ${ANEW}`);
  for (const [i, { flag, path }] of ownFilesOf(run.settings).entries()) {
    if (!existsSync(path)) throw new UserError(`${flag} ${path}: no such file`);
    const before = ownFilesOf(stored)[i]?.path;
    const hash = before === undefined ? undefined : hashIn(origins.own, before);
    if (hash === undefined && before !== undefined && resolve(path) !== before) {
      throw unlike(run, flag.slice(2), before, path);
    }
    if (hash !== undefined && hash !== hashOf(path)) {
      throw refuse(`${path} as it was before it was changed`, "it");
    }
  }
  const [later] = origins.ownLater;
  if (later) {
    const changed = Object.entries(later.own).filter(
      ([path, hash]) => hashIn(origins.own, path) !== hash,
    );
    const names = changed.map(([path]) => basename(path));
    throw new UserError(
      `${folder} was made with one ${names.join(", ")} up to step ${later.after} and with another after it; ${ANEW}`,
    );
  }
  if (data !== "-") {
    const now = await contents.rows(run.settings);
    if (now.data !== origins.data) {
      const counts = `${origins.rows} then, ${now.rows} now`;
      throw refuse(`other rows than ${data} has now (${counts})`, "them");
    }
  }
  if (model !== EMBEDDED && !existsSync(model)) return;
  if ((await contents.model(model)) === origins.model) return;
  const before = String(stored.model);
  const path = resolve(modelPath(model));
  if (isAbsolute(before) && before !== path) throw unlike(run, "model", before, path);
  throw refuse(`another model than ${model} is now`, "it");
}

/** A checkpoint that is to be evaluated is there, or is still to come. */
function requireCheckpoint(run: PlannedRun, step: number, file: string): void {
  const folder = folderOf(run);
  const steps = checkpointSteps(folder);
  const last = steps.at(-1) ?? 0;
  if (run.base || steps.includes(step) || last < step) return;
  throw new UserError(
    `${folder} has not kept checkpoint-${step}, only ${steps.join(", ")}: take ${step} out of evaluate.checkpoints in ${file}, or delete the run to have it made anew`,
  );
}

async function requireEvaluation(run: PlannedRun, step: number, contents: Contents) {
  const { data, outcome } = run.evaluation;
  if (data === "-") return;
  const path = evaluationOf(run, step);
  const { origins, questions } = readEvaluation(path);
  const now = await contents.rows(run.evaluation);
  const isSame = origins
    ? origins.data === now.data
    : JSON.stringify(questions.map(({ question }) => question)) === JSON.stringify(now.texts);
  if (!isSame) {
    throw new UserError(
      `${path} is of other rows than ${data} has now (${questions.length} then, ${now.rows} now); put them back, or give the new ones a file of another name`,
    );
  }
  const judged = Object.values(origins?.own ?? {});
  if (judged.length === 0 || !isOwnFile(outcome) || judged.includes(hashOf(outcome))) return;
  throw new UserError(
    `${path} was judged by ${outcome} as it was before it was changed; put it back, or delete the evaluation to have it made anew`,
  );
}
