import { statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { goldAnswers } from "../report/gold.ts";
import type { ReportOptions } from "../report/material.ts";
import { pageOf, type Section } from "../report/page.ts";
import { findRuns, ReportedRun } from "../report/runs.ts";
import { sectionsOf, titleOf } from "../report/sections.ts";
import { openForReading } from "../runs/ledger.ts";
import type { WatchSettings } from "../settings/measuring.ts";
import { type Found, type Search, searchCompletions } from "./completions.ts";
import css from "./live.css" with { type: "text" };
import script from "./live-script.js.txt" with { type: "text" };
import { completionsSection, nowSection } from "./sections.ts";
import { statusOf } from "./status.ts";

/** Drawing takes at most this share of a core, so that the run it watches keeps its processor. */
const SHARE = 0.1;
/** Milliseconds between signs of life to a page that has nothing new. */
const HEARTBEAT = 15_000;
/** The sections in the order of a live page: first what changes from step to step. */
const ORDER = "now head training completions pass sampling history diversity map settings".split(
  " ",
);

/** An open page: what it is sent goes through `controller`. */
interface Page {
  controller: ReadableStreamDefaultController<string>;
  heartbeat: Timer;
}

/** The report as it is now, and the pages that are shown it. */
export class LiveReport {
  private runs: ReportedRun[] = [];
  /** Of each run's configuration when it was read: a run that goes on writes it anew. */
  private configs = new Map<string, string>();
  private sections = new Map<string, string>();
  private options: ReportOptions = { questions: null, gold: new Map() };
  private readonly pages = new Set<Page>();
  /** Something was read that is not drawn yet. */
  private stale = true;
  /** When it may be drawn again, as `performance.now()` has it. */
  private drawAfter = 0;

  constructor(private readonly settings: Pick<WatchSettings, "runs" | "question">) {}

  /** Reads the runs; they are drawn for the first page. */
  open(): Promise<void> {
    return this.readRuns();
  }

  /** Reads what is new, and draws and sends it if a page is open and it is time. */
  async update(isTime = performance.now() >= this.drawAfter): Promise<void> {
    await this.readRuns();
    this.show([
      nowSection(
        this.runs.map((run) => statusOf(run)),
        this.runs,
      ),
    ]);
    if (this.stale && this.pages.size > 0 && isTime) await this.draw();
  }

  /** The page, with what was read last. */
  async page(): Promise<string> {
    if (this.stale) await this.draw();
    const title = `${titleOf(this.runs)} · rlexplore watch`;
    const sections = ORDER.map((id) => ({ id, html: this.sections.get(id) ?? "" }));
    return pageOf(title, sections, { css, script });
  }

  /** Some completions of the run with this number. */
  completions(run: number, search: Search): Found {
    const { folder } = this.runs[run] ?? fail("there is no such run");
    const database = openForReading(folder.ledgerPath);
    try {
      return searchCompletions(database, search);
    } finally {
      database.close();
    }
  }

  /** A stream of server-sent events: every section now, and each again when it changes. */
  events(): ReadableStream<string> {
    let page: Page;
    return new ReadableStream<string>({
      start: (controller) => {
        const heartbeat = setInterval(() => controller.enqueue(": alive\n\n"), HEARTBEAT);
        page = { controller, heartbeat };
        this.pages.add(page);
        for (const [id, html] of this.sections) controller.enqueue(eventOf({ id, html }));
      },
      cancel: () => this.forget(page),
    });
  }

  close() {
    for (const run of this.runs) run.close();
    for (const page of this.pages) {
      this.forget(page);
      page.controller.close();
    }
  }

  private forget(page: Page) {
    clearInterval(page.heartbeat);
    this.pages.delete(page);
  }

  private async readRuns(): Promise<void> {
    const configs = new Map(findRuns(this.settings.runs).map((path) => [path, configOf(path)]));
    const isSame = (path: string) => this.configs.get(path) === configs.get(path);
    const known = new Map(this.runs.map((run) => [run.path, run]));
    if (configs.size !== known.size || ![...configs.keys()].every(isSame)) {
      for (const [path, run] of known) if (!isSame(path)) run.close();
      this.runs = [...configs.keys()].map((path) => {
        const run = isSame(path) ? known.get(path) : undefined;
        return run ?? new ReportedRun(path);
      });
      this.configs = configs;
      const questions = this.settings.question.length > 0 ? this.settings.question : null;
      this.options = { questions, gold: await goldAnswers(this.runs) };
      this.stale = true;
    }
    for (const run of this.runs) {
      if (run.refresh()) this.stale = true;
    }
  }

  private async draw(): Promise<void> {
    this.stale = false;
    const began = process.cpuUsage();
    const { runs } = this;
    const sections = await sectionsOf(runs, this.options);
    const now = nowSection(
      runs.map((run) => statusOf(run)),
      runs,
    );
    this.show([now, completionsSection(runs), ...sections]);
    const { user, system } = process.cpuUsage(began);
    this.drawAfter = performance.now() + (user + system) / 1000 / SHARE;
  }

  /** Sends the pages those of these sections that changed. */
  private show(sections: readonly Section[]) {
    for (const section of sections) {
      if (this.sections.get(section.id) === section.html) continue;
      this.sections.set(section.id, section.html);
      for (const { controller } of this.pages) controller.enqueue(eventOf(section));
    }
  }
}

function configOf(run: string): string {
  // a number that was freed is given to the next file
  const { ino, birthtimeMs, mtimeMs } = statSync(join(run, "config.json"));
  return `${ino} ${birthtimeMs} ${mtimeMs}`;
}

function fail(message: string): never {
  throw new UserError(message);
}

const eventOf = (section: Section) => `event: section\ndata: ${JSON.stringify(section)}\n\n`;
