/**
 * Conversations in data, in the layout of OpenAI and TRL: a list of turns, each with a role and what is said.
 * What no prompt of text can hold, such as tools and images, is refused by its name: a model would be asked
 * something else.
 */
import type { Turn } from "../../lib/data/judge.ts";
import type { Asked } from "../../lib/data/questions.ts";
import { UserError } from "../../lib/errors.ts";
import type { Lesson } from "../models/lesson.ts";

export type Fields = Record<string, unknown>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Columns that would belong to the prompt, and are not put there. */
export const NOT_ASKED = ["tools", "functions", "images", "image", "videos", "audios"];
/** ... and fields of a turn. */
const NOT_SAID = ["tool_calls", "function_call", "tool_call_id", "images", "image", "audio"];
const ROLES_OF_TOOLS = ["tool", "function", "ipython"];
/** The most of a file that a message quotes. */
const QUOTED = 40;

/** Throws for a row that has more to ask than text. */
export function requireAskable(row: Fields): void {
  for (const name of NOT_ASKED) {
    if (isSet(row[name])) {
      throw new Error(`"${name}" cannot be put to the model; only text can: leave the column out`);
    }
  }
}

/** The turns of the conversation in the field `name`. Throws an Error that says what is wrong. */
export function turnsOf(value: readonly unknown[], name: string): Turn[] {
  if (value.length === 0) throw new Error(`"${name}" is an empty conversation`);
  return value.map((turn, i) => turnOf(turn, `turn ${i + 1} of "${name}"`));
}

function turnOf(turn: unknown, where: string): Turn {
  if (!isFields(turn)) throw new Error(`${where} is not an object with "role" and "content"`);
  const { role } = turn;
  if (typeof role !== "string" || role === "") throw new Error(`${where} has no "role"`);
  if (ROLES_OF_TOOLS.includes(role)) {
    throw new Error(`${where} is what a tool says (role "${role}"), which is not supported`);
  }
  const unsaid = NOT_SAID.find((name) => isSet(turn[name]));
  if (unsaid) throw new Error(`${where} has "${unsaid}", which is not supported; only text is`);
  const content = contentOf(turn.content, where);
  const set = Object.entries(turn).filter(([, value]) => value !== null && value !== undefined);
  return { ...Object.fromEntries(set), role, content };
}

/** What a turn says: text, or a list with one part, of text. */
function contentOf(content: unknown, where: string): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) throw new Error(`the content of ${where} is not text`);
  for (const part of content) {
    const type = isFields(part) ? String(part.type) : typeof part;
    if (type === "text" && typeof part.text === "string") continue;
    throw new Error(
      `${where} has a part of type "${type.slice(0, QUOTED)}"; only text is supported`,
    );
  }
  if (content.length === 1) return content[0].text;
  throw new Error(`${where} has ${content.length} parts of text; make them one`);
}

/** What a conversation asks: the last that the user says, together with all other turns. */
export function askedIn(turns: readonly Turn[], name: string): Asked {
  const question = turns.findLast(({ role }) => role === "user")?.content;
  if (question === undefined) throw new Error(`the user says nothing in "${name}"`);
  const { role } = turns[turns.length - 1];
  if (role !== "user" && role !== "assistant") {
    throw new Error(
      `"${name}" ends with a turn of the role "${role.slice(0, QUOTED)}"; it must end with the user's, or with the assistant's that completions begin with`,
    );
  }
  if (question.trim() === "") throw new Error(`"${name}" is empty`);
  const isAlone = turns.length === 1 && Object.keys(turns[0]).length === 2;
  return isAlone ? { question } : { question, turns };
}

/** A question that was typed: text, or a conversation as JSON. */
export function askedFrom(typed: string): Asked {
  let value: unknown;
  try {
    value = JSON.parse(typed);
  } catch {
    return { question: typed };
  }
  if (!Array.isArray(value) || !value.some((turn) => isFields(turn) && "role" in turn)) {
    return { question: typed };
  }
  try {
    return askedIn(turnsOf(value, "the question"), "the question");
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

/**
 * What a conversation teaches: each turn of the assistant's from `first` on, said to all turns before it. One
 * that comes before the user has said anything answers nothing.
 */
export function lessonsIn(turns: readonly Turn[], first: number, name: string): Lesson[] {
  const begins = turns.findIndex(({ role }) => role === "user");
  const lessons = turns.flatMap((turn, i): Lesson[] => {
    if (turn.role !== "assistant" || i < first || i < begins || begins < 0) return [];
    if (turn.content.trim() === "") throw new Error(`turn ${i + 1} of "${name}" says nothing`);
    const before = turns.slice(0, i);
    if (before[i - 1].role === "assistant") {
      throw new Error(`two turns of the assistant follow each other in "${name}"; make them one`);
    }
    return [{ asked: askedIn(before, name), said: turn }];
  });
  if (lessons.length > 0) return lessons;
  throw new Error(`the assistant answers nothing in "${name}", so there is nothing to learn`);
}

/** Null, "" and empty lists and objects, as Parquet fills columns with, say nothing. */
function isSet(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return false;
  return typeof value !== "object" || Object.values(value).some(isSet);
}
