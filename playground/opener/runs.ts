import { UserError } from "../../lib/errors.ts";
import type { StepFigures } from "../messages.ts";
import { emptyLog, type SideState } from "../page/log.ts";
import { readLedger } from "./ledger.ts";

/** A file with its place among those that were dropped together: `run/metrics.jsonl`. */
export interface GivenFile {
  path: string;
  file: Blob;
}

/** A run of the executable, as far as the page shows it. */
export interface OpenedRun {
  name: string;
  side: SideState;
  /** What is not shown, and why; a sentence each. */
  notes: string[];
}

const METRICS = "metrics.jsonl";

/** Reads every run among the files. @throws UserError if there is none */
export async function readRuns(files: readonly GivenFile[]): Promise<OpenedRun[]> {
  const roots = files.flatMap(({ path }) => {
    const isMetrics = path === METRICS || path.endsWith(`/${METRICS}`);
    return isMetrics ? [path.slice(0, -METRICS.length)] : [];
  });
  if (roots.length === 0) {
    throw new UserError(
      `no run is among these files: drop the folder of one, which has a ${METRICS}, or a report`,
    );
  }
  return Promise.all(roots.sort().map((root) => readRun(root, files)));
}

async function readRun(root: string, files: readonly GivenFile[]): Promise<OpenedRun> {
  const fileOf = (name: string) => files.find(({ path }) => path === root + name)?.file;
  const notes: string[] = [];
  const side: SideState = { steps: [], held: [], log: emptyLog() };
  const { name, runName } = await nameIn(fileOf("config.json"), notes);
  let damaged = 0;
  for (const line of ((await fileOf(METRICS)?.text()) ?? "").split("\n")) {
    if (line.trim() !== "" && !addLine(side, line)) damaged++;
  }
  if (damaged > 0) notes.push(`${damaged} damaged or unfinished lines of ${METRICS} are left out.`);
  const ledger = fileOf("ledger.sqlite");
  if (ledger) {
    const unfinished = fileOf("ledger.sqlite-wal")?.size ?? 0;
    if (unfinished > 0)
      notes.push("The run was not closed: completions of its last steps may be missing.");
    await readLedger(ledger, side.log).catch((error: Error) => notes.push(error.message));
  } else notes.push("There is no ledger.sqlite, and so no treasure map.");
  notes.push("Its checkpoints are not opened: rlexplore sample and rlexplore chat do that.");
  return { name: runName ?? (root.split("/").at(-2) || name), side, notes };
}

/** What a run is called: by its method, or as it was told. */
async function nameIn(file: Blob | undefined, notes: string[]) {
  try {
    const { settings } = JSON.parse((await file?.text()) ?? "");
    return { name: String(settings.explore ?? "run"), runName: settings.runName as string | null };
  } catch {
    notes.push("There is no config.json that says how it was trained.");
    return { name: "run", runName: null };
  }
}

/** Adds a line of the metrics. @returns whether it is one */
function addLine({ steps, held }: SideState, text: string): boolean {
  try {
    const { step, evaluation, ...figures } = JSON.parse(text);
    if (typeof step !== "number") return false;
    if (!evaluation) {
      steps.push({ step, ...(figures as StepFigures) });
      return true;
    }
    const measured: Record<string, number | null> = evaluation.figures;
    const at = (name: string) =>
      Object.entries(measured).flatMap(([figure, value]) => {
        const [, k] = new RegExp(`^${name}@(\\d+)$`).exec(figure) ?? [];
        return k && value !== null ? [[Number(k), value] as const] : [];
      });
    const pass = Object.fromEntries(at("pass"));
    // some runs, such as those of sft, are measured by other figures
    if (Object.keys(pass).length === 0) return true;
    const distinct = at("diff").at(-1)?.[1] ?? Number.NaN;
    held.push({ step, pass, distinct, entropy: measured.entropy ?? Number.NaN });
    return true;
  } catch {
    return false;
  }
}
