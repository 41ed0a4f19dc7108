/** Where question and answer stand in a row, in the layouts that data sets are published in. */
import type { Asked } from "../../lib/data/questions.ts";
import { countdownQuestion } from "../tasks/countdown.ts";
import {
  askedIn,
  type Fields,
  isFields,
  NOT_ASKED,
  requireAskable,
  turnsOf,
} from "./conversation.ts";

const QUESTION = ["question", "prompt", "problem", "messages"];
const ANSWER = ["answer", "solution", "ground_truth", "target"];
/** Fields that hold more than text: verl's answer, and the numbers of a countdown task. */
const OTHER = ["reward_model", "nums", ...NOT_ASKED];

export type FieldNames = { questionField?: string | null; answerField?: string | null };

/** The question of a row: text, or a conversation with all its turns. */
export function askedOf(row: Fields, { questionField }: FieldNames): Asked {
  requireAskable(row);
  if (!questionField && Array.isArray(row.nums) && find(row, QUESTION) === null) {
    return { question: countdownQuestion(row.nums, row.target) };
  }
  const names = questionField ? [questionField] : QUESTION;
  const found = find(row, names);
  if (!Array.isArray(found?.value)) return { question: text(row, names, names[0]) };
  const turns = turnsOf(found.value, found.name);
  if (found.name === "messages" && turns.at(-1)?.role === "assistant") {
    throw new Error(
      '"messages" ends with what the assistant says; leave that turn out, or, if completions begin with it, call the field "prompt"',
    );
  }
  return askedIn(turns, found.name);
}

/** The answer of a row; verl keeps it in `reward_model.ground_truth`. */
export function answerOf(row: Fields, { answerField }: FieldNames): string {
  if (answerField) return answer(row, [answerField], answerField);
  const nested = row.reward_model;
  if (isFields(nested) && find(row, ANSWER) === null)
    return answer(nested, ["ground_truth"], ANSWER[0]);
  return answer(row, ANSWER, ANSWER[0]);
}

/** The answer; a list of texts and numbers is one of which any is right, and stays a list, in JSON. */
function answer(row: Fields, names: readonly string[], called: string): string {
  const value = find(row, names)?.value;
  const several = Array.isArray(value) && value.length > 0 && value.every(isPlain);
  return several ? listOf(value.map(String)) : text(row, names, called);
}

const listOf = (answers: string[]) => (answers.length === 1 ? answers[0] : JSON.stringify(answers));
const isPlain = (value: unknown) => /^(?:string|number|bigint)$/.test(typeof value);

/** TinyZero's verl layout keeps the task itself where others have the answer: brought to the top of the row. */
export function withTask(row: Fields): Fields {
  const truth = isFields(row.reward_model) ? row.reward_model.ground_truth : null;
  return isFields(truth) ? { ...truth, ...row } : row;
}

/** Of the columns of a file, those that question and answer may be in; all, if none is known. */
export function columnsOf(names: string[], { questionField, answerField }: FieldNames): string[] {
  const outermost = (name: string) => [name, name.split(".")[0]];
  const question = questionField ? outermost(questionField) : QUESTION;
  const answer = answerField ? outermost(answerField) : ANSWER;
  const known = new Set([...question, ...answer, ...OTHER].map((name) => name.toLowerCase()));
  const needed = names.filter((name) => known.has(name.toLowerCase()));
  return needed.length > 0 ? needed : names;
}

/** The first of the named fields that is there, in whatever case; `a.b` is b within a. */
export function find(
  row: Fields,
  names: readonly string[],
): { name: string; value: unknown } | null {
  for (const wanted of names) {
    for (const name of [wanted, ...Object.keys(row)]) {
      const value = row[name];
      if (name.toLowerCase() === wanted.toLowerCase() && value !== undefined && value !== null) {
        return { name, value };
      }
    }
    const [outer, ...inner] = wanted.split(".");
    const nested = row[outer];
    if (inner.length > 0 && isFields(nested)) return find(nested, [inner.join(".")]);
  }
  return null;
}

/** A field as text; numbers are taken as they are written. Throws an Error that says what is wrong. */
export function text(row: Fields, names: readonly string[], called = names[0]): string {
  const found = find(row, names);
  if (found === null) throw new Error(missing(row, names, called));
  const { name, value } = found;
  if (!isPlain(value)) {
    throw new Error(`"${name}" is not text or a number`);
  }
  if (String(value).trim() === "") throw new Error(`"${name}" is empty`);
  return String(value);
}

/** Fields that hold what is looked for, or may by their names. */
const LIKE: Record<string, { pattern: RegExp; flag: string }> = {
  question: {
    pattern: /question|problem|prompt|instruction|query|input/i,
    flag: "--question-field",
  },
  answer: { pattern: /answer|solution|gold|truth|label|output|target/i, flag: "--answer-field" },
};

/** What a row has instead of what was looked for. */
function missing(row: Fields, wanted: readonly string[], called: string): string {
  const isWanted = (name: string) => wanted.some((one) => one.toLowerCase() === name.toLowerCase());
  const empty = Object.keys(row).find((name) => isWanted(name) && (row[name] ?? null) === null);
  if (empty !== undefined) return `"${empty}" is null`;
  const like = LIKE[called];
  const near = Object.keys(row).find((name) => name.length <= 40 && like?.pattern.test(name));
  const turns =
    "conversations" in row ? '; turns are "messages", each of "role" and "content"' : "";
  const hint =
    near === undefined ? turns : `; if it is ${JSON.stringify(near)}, give ${like.flag} ${near}`;
  return `no "${called}"${fieldsOf(row)}${hint}`;
}

function fieldsOf(row: Fields): string {
  const names = Object.keys(row).slice(0, 8);
  const more = Object.keys(row).length > names.length ? ", ..." : "";
  const list = names.map((name) => JSON.stringify(name.slice(0, 40))).join(", ");
  return names.length === 0 ? " (the row is empty)" : ` (the row has ${list}${more})`;
}
