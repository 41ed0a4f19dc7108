/** Some of a run's completions, asked of its ledger page by page: it may hold more than memory. */

import type { Database } from "#platform/sqlite.ts";
import { UserError } from "../../lib/errors.ts";
import { columnsIn, correctIn, hasPrompts } from "../runs/ledger.ts";

/** Completions shown at once. */
export const PAGE = 20;

const KINDS = {
  all: "TRUE",
  right: "correct",
  wrong: "NOT correct AND outcome IS NOT NULL",
  none: "outcome IS NULL AND NOT truncated",
  cut: "truncated",
};
const ORDERS = {
  newest: "id DESC",
  oldest: "id",
  reward: "reward DESC, id",
  "least-reward": "reward IS NULL, reward, id",
  advantage: "advantage DESC, id",
  "least-advantage": "advantage, id",
  exploration: "exploration DESC, id",
  tokens: "tokens DESC, id",
};

/** What to look for; texts are found anywhere, whether in capitals or not. */
export interface Search {
  question: string;
  completion: string;
  /** The outcome, whole. */
  answer: string;
  kind: keyof typeof KINDS;
  /** The first and the last step. */
  from: number | null;
  to: number | null;
  order: keyof typeof ORDERS;
  /** From 0. */
  page: number;
  /** The newest rollout that is looked at, so that pages stay as they are while the run goes on; null for all. */
  upto: number | null;
}

/** A completion as the page shows it. */
export interface Shown {
  step: number;
  slot: number;
  sample: number;
  question: string;
  /** What the model was given; null in ledgers that did not keep it. */
  prompt: string | null;
  completion: string;
  outcome: string | null;
  correct: number;
  reward: number | null;
  /** The parts of the reward by name, as JSON; null in ledgers that did not keep them. */
  parts: string | null;
  exploration: number;
  advantage: number | null;
  tokens: number;
  truncated: number;
  logprob: number | null;
  entropy: number | null;
}

export interface Found {
  /** Completions that were found, and those that were looked at. */
  found: number;
  all: number;
  upto: number;
  /** The last step that was looked at. */
  step: number;
  page: number;
  pages: number;
  shown: Shown[];
}

/** @throws UserError for what is no search */
export function searchOf(given: URLSearchParams): Search {
  const text = (name: string) => given.get(name)?.trim() ?? "";
  const count = (name: string) => {
    const typed = text(name);
    if (typed === "") return null;
    if (/^\d{1,15}$/.test(typed)) return Number(typed);
    throw new UserError(`${name} must be a whole number`);
  };
  const oneOf = <T extends object>(name: string, known: T): keyof T => {
    const typed = text(name) || Object.keys(known)[0];
    if (Object.hasOwn(known, typed)) return typed as keyof T;
    throw new UserError(`${name} must be one of ${Object.keys(known).join(", ")}`);
  };
  return {
    question: given.get("question") ?? "",
    completion: given.get("completion") ?? "",
    answer: text("answer"),
    kind: oneOf("kind", KINDS),
    from: count("from"),
    to: count("to"),
    order: oneOf("order", ORDERS),
    page: count("page") ?? 0,
    upto: count("upto"),
  };
}

/** The page of completions that a search asks for. */
export function searchCompletions(database: Database, search: Search): Found {
  const [[newest]] = database.query("SELECT IFNULL(MAX(id), 0) FROM rollouts").values();
  const upto = search.upto ?? Number(newest);
  const conditions: string[] = ["id <= ?"];
  const values: (string | number)[] = [upto];
  const add = (condition: string, value: string | number | null) => {
    if (value === null || value === "") return;
    conditions.push(condition);
    values.push(value);
  };
  const correct = correctIn(database);
  conditions.push(KINDS[search.kind].replace("correct", `(${correct})`));
  add(
    "question IN (SELECT id FROM questions WHERE text LIKE ? ESCAPE '\\')",
    search.question && containing(search.question),
  );
  add("completion LIKE ? ESCAPE '\\'", search.completion && containing(search.completion));
  add("outcome = ?", search.answer);
  add("step >= ?", search.from);
  add("step <= ?", search.to);
  const where = `WHERE ${conditions.map((condition) => `(${condition})`).join(" AND ")}`;
  const [[all, step]] = database
    .query("SELECT COUNT(*), IFNULL(MAX(step), 0) FROM rollouts WHERE id <= ?")
    .values(upto);
  const [[found]] = database.query(`SELECT COUNT(*) FROM rollouts ${where}`).values(...values);
  const pages = Math.max(1, Math.ceil(Number(found) / PAGE));
  const page = Math.min(search.page, pages - 1);
  // first which they are: texts need not be sorted
  const ids = database
    .query(`SELECT id FROM rollouts ${where} ORDER BY ${ORDERS[search.order]} LIMIT ? OFFSET ?`)
    .values(...values, PAGE, page * PAGE);
  const parts = columnsIn(database).includes("parts") ? "parts" : "NULL AS parts";
  const prompts = hasPrompts(database);
  const one = database.query(
    `SELECT step, slot, sample, questions.text AS question, ${prompts ? "prompts.text" : "NULL"} AS prompt,
       completion, outcome, ${correct} AS correct, reward, ${parts}, exploration, advantage, tokens,
       truncated, logprob, entropy
     FROM rollouts JOIN questions ON questions.id = rollouts.question
     ${prompts ? "LEFT JOIN prompts ON prompts.question = rollouts.question" : ""}
     WHERE rollouts.id = ?`,
  );
  const shown = ids.flatMap(([id]) => [...one.iterate<Shown>(Number(id))]);
  return { found: Number(found), all: Number(all), upto, step: Number(step), page, pages, shown };
}

/** A pattern of LIKE that finds this text. */
const containing = (text: string) => `%${text.replace(/[\\%_]/g, (c) => `\\${c}`)}%`;
