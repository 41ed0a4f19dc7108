/** The sections that only a live page has. */

import { escapeHtml } from "../report/draw.ts";
import { countOf, type Section } from "../report/page.ts";
import type { ReportedRun } from "../report/runs.ts";
import { command } from "../terminal/program.ts";
import { describe, duration, type StepMetrics } from "../terminal/progress.ts";
import type { RunStatus } from "./status.ts";

/** Where the runs are, and what their last steps were like. */
export function nowSection(statuses: readonly RunStatus[], runs: readonly ReportedRun[]): Section {
  const parts = statuses.map((status, i) => {
    const name = statuses.length > 1 ? `<h2>${escapeHtml(status.name)}</h2>` : "";
    return `<div class="run">${name}${progressOf(status)}${lastStepOf(runs[i])}${warningOf(status)}</div>`;
  });
  return { id: "now", html: parts.join("\n") };
}

function progressOf(status: RunStatus): string {
  const { state, step, total } = status;
  const of = total === null ? "" : ` of ${total}`;
  const bar = total === null ? "" : `<progress max="${total}" value="${step}"></progress>`;
  const said = [`step ${step}${of}`, ...doingOf(status)].map((text) => `<span>${text}</span>`);
  const stateText = state === "unknown" ? "" : `<b class="${state}">${state}</b>`;
  return `<p class="progress">${stateText}${said.join("")}</p>${bar}`;
}

/** What a run is doing, or what there is to do with it; as HTML. */
function doingOf({ state, activity, left, saved, path, ...run }: RunStatus): string[] {
  const code = (text: string) => `<code>${escapeHtml(text)}</code>`;
  if (state === "running") {
    const about =
      left === null || run.step === run.total ? [] : [`about ${duration(left)} of steps left`];
    return [...(activity ? [escapeHtml(activity)] : []), ...about];
  }
  if (state === "finished") return saved ? [`the model is in ${code(saved)}`] : [];
  if (state === "unknown") return saved ? [`saved last: ${code(saved)}`] : [];
  const from = saved ? `, from ${escapeHtml(saved.replace(/^.*[\\/]/, ""))}` : "";
  return [`go on${from}: ${code(command`${run.command} --resume ${path}`)}`];
}

/** The metrics of the last step. */
function lastStepOf({ steps }: ReportedRun): string {
  const last = steps.at(-1);
  if (!last) return "";
  const items = describe(last as StepMetrics).map(
    ([label, value]) => `<div><dt>${label}</dt><dd>${value}</dd></div>`,
  );
  return `<dl class="last" aria-label="step ${last.step}">${items.join("")}</dl>`;
}

const warningOf = ({ nothing }: RunStatus) =>
  nothing ? `<p class="warning">${escapeHtml(nothing)}</p>` : "";

const KINDS: [value: string, label: string][] = [
  ["all", "all"],
  ["right", "right"],
  ["wrong", "wrong answers"],
  ["none", "no answer"],
  ["cut", "cut off"],
];
const ORDERS: [value: string, label: string][] = [
  ["newest", "newest first"],
  ["oldest", "oldest first"],
  ["reward", "highest reward"],
  ["least-reward", "lowest reward"],
  ["advantage", "highest advantage"],
  ["least-advantage", "lowest advantage"],
  ["exploration", "highest exploration"],
  ["tokens", "longest"],
];

const select = (name: string, label: string, choices: readonly [string, string][]) =>
  `<label>${label}<select name="${name}">${choices
    .map(([value, text]) => `<option value="${value}">${escapeHtml(text)}</option>`)
    .join("")}</select></label>`;

const input = (name: string, label: string, more = "") =>
  `<label>${label}<input name="${name}" autocomplete="off" spellcheck="false"${more}></label>`;

/** Where completions are looked for; the page's script asks for them. */
export function completionsSection(runs: readonly ReportedRun[]): Section {
  const names = runs.map(({ name }, i): [string, string] => [String(i), name]);
  const number = ' inputmode="numeric" pattern="[0-9]*" size="6"';
  const html = `<section><h2>Completions</h2>
<p>Every completion of ${runs.length === 1 ? "the run" : countOf(runs.length, "run")}, in full: what was asked, what it earned, and what was learned from it. Texts are found anywhere in a question or a completion, in capitals or not.</p>
<form id="search" class="search" role="search">${runs.length > 1 ? select("run", "run", names) : ""}
${input("question", "question has", ' type="search"')}
${input("completion", "completion has", ' type="search"')}
${input("answer", "answer is", ' type="search"')}
${select("kind", "which", KINDS)}
${input("from", "from step", number)}
${input("to", "to step", number)}
${select("order", "order", ORDERS)}
<button type="submit">Search</button></form>
<p class="note" id="found" role="status"></p>
<nav id="pages" class="pages" aria-label="pages of completions" hidden><button type="button" value="-1">Back</button><button type="button" value="1">Next</button></nav>
<div id="shown"></div></section>`;
  return { id: "completions", html };
}
