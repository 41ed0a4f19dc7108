/**
 * Judges in a thread of its own what a model wrote, for a limited time. The work on an answer is bounded
 * by operations, which bite long before the time does; the time limit is for what nobody foresaw.
 */
import { startJudge } from "#platform/thread.ts";
import type { Thread } from "../platform/runtime.ts";
import type { MatchTask, Place } from "./pattern.ts";
import type { MathTask } from "./settle.ts";

/** Milliseconds for the answers of one question; when they are over, for each one of them. */
const LIMIT = 10_000;

export class JudgingThread {
  private thread: Promise<Thread> | null = null;
  private queue: Promise<unknown> = Promise.resolve();
  private warned = false;

  constructor(private readonly limit = LIMIT) {}

  /** The outcomes of mathematical answers to one question; null for none, and for one that takes too long. */
  async settle(task: Omit<MathTask, "kind">): Promise<(string | null)[]> {
    const whole: MathTask = { kind: "math", ...task };
    const outcomes = await this.ask<(string | null)[]>(whole);
    if (outcomes) return outcomes;
    const known = [...task.known];
    const each: (string | null)[] = [];
    for (const answer of task.answers) {
      const one = { ...whole, answers: [answer], known };
      const [outcome] = (await this.ask<(string | null)[]>(one)) ?? [null];
      if (outcome !== null && !known.includes(outcome)) known.push(outcome);
      each.push(outcome);
    }
    return each;
  }

  /** Where the pattern matches last in each text; null for nowhere, and for where it takes too long. */
  async lastMatches(pattern: string, answers: string[]): Promise<(Place | null)[]> {
    const task: MatchTask = { kind: "match", pattern, answers };
    const places = await this.ask<(Place | null)[]>(task);
    if (places) return places;
    const each: (Place | null)[] = [];
    for (const answer of answers) {
      const [place] = (await this.ask<(Place | null)[]>({ ...task, answers: [answer] })) ?? [null];
      each.push(place);
    }
    return each;
  }

  /** Null when the time is over; the thread is given up then, and the next task gets a new one. */
  private ask<T>(task: MathTask | MatchTask): Promise<T | null> {
    const answer = this.queue.then(async () => {
      this.thread ??= startJudge();
      try {
        return await this.send<T>(await this.thread, task);
      } catch (error) {
        this.thread = null;
        throw new Error(`judging answers failed: ${(error as Error).message}`);
      }
    });
    this.queue = answer.catch(() => {});
    return answer;
  }

  private send<T>(thread: Thread, task: MathTask | MatchTask): Promise<T | null> {
    let timer: ReturnType<typeof setTimeout>;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => {
        this.thread = null;
        this.warn();
        resolve(null);
        thread.terminate();
      }, this.limit);
    });
    const answered = thread.ask(task) as Promise<T>;
    answered.catch(() => {}); // what is ended late fails when nobody waits any more
    return Promise.race([answered, late]).finally(() => clearTimeout(timer));
  }

  /** What depends on time may differ when a run is repeated, which nobody should find out later. */
  private warn() {
    if (this.warned) return;
    this.warned = true;
    console.error(
      `rlexplore: judging took longer than ${this.limit / 1000} s and was cut off; if the machine was only busy, a repeated run may differ`,
    );
  }
}

/** The one thread of the program; it starts with the first answer that needs it. */
export const judging = new JudgingThread();
