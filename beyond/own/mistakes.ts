/** Mistakes in code of the user's, told in one line with their place. */
import { existsSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../lib/errors.ts";

/** Longest part of a line of code that is shown. */
const SHOWN = 100;

/** A mistake in a file of the user's, in one line with its place where that is known: `my.ts:2:32: ...`. */
export function describeError(error: unknown, path: string): string {
  const [first] = error instanceof AggregateError ? error.errors : [error];
  const message = first instanceof Error || isMessage(first) ? first.message : String(first);
  const place = isMessage(first) ? positionOf(first) : placeIn(stackOf(first), path);
  const shown = message.replace(/\s*\n\s*/g, " ");
  return place ? `${place}: ${shown}${codeAt(first)}` : shown;
}

/** What Bun throws for a file that it cannot read. */
interface BuildMessage {
  message: string;
  position?: { file: string; line: number; column: number; lineText: string } | null;
}

const isMessage = (error: unknown): error is BuildMessage =>
  typeof error === "object" && error !== null && "position" in error && "message" in error;

function positionOf({ position }: BuildMessage): string | null {
  if (!position?.file) return null;
  return `${shownPath(position.file)}:${position.line}:${position.column}`;
}

function codeAt(error: unknown): string {
  const text = isMessage(error) ? error.position?.lineText?.trim() : "";
  return text ? ` in ${text.slice(0, SHOWN)}` : "";
}

const stackOf = (error: unknown) => (error instanceof Error ? (error.stack ?? "") : "");

/** The topmost place of a stack that lies in the file's folder or below it; null if none does. */
export function placeIn(stack: string, path: string): string | null {
  const folder = dirname(resolve(path));
  for (const [, named, line, column] of stack.matchAll(
    /(?:\(|at |(?=file:))((?:file:\/\/)?\/?[^\s()][^()\n]*?):(\d+):(\d+)/g,
  )) {
    const file = named.startsWith("file:") ? fileURLToPath(named) : named;
    const isBelow = isAbsolute(file) && !relative(folder, file).startsWith("..");
    if (isBelow && existsSync(file)) return `${shownPath(file)}:${line}:${column}`;
  }
  return null;
}

/** From the folder the user works in, where it lies below that. */
function shownPath(file: string): string {
  const short = relative(process.cwd(), file);
  return short.startsWith("..") ? file : short;
}

/** What is wrong with a value that own code gave: it stands at no line. */
export const unusable = (message: string): Error =>
  Object.assign(new Error(message), { stack: undefined });

/** Own code is wrong, and was found to be so before weights moved: what was done until then is saved. */
export class OwnCodeError extends UserError {}
