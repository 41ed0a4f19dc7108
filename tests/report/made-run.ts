import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  estimates,
  evaluationPath,
  powersOfTwo,
  summarize,
} from "../../beyond/measuring/evaluation.ts";
import { tallyQuestion } from "../../beyond/measuring/tally.ts";
import { Ledger, type Rollout } from "../../beyond/runs/ledger.ts";
import type { Origins } from "../../beyond/runs/origins.ts";
import { Random } from "../../lib/random.ts";

const QUESTIONS = 24;
const GROUP = 4;

export interface MadeRun {
  /** Null for samples of the base model, which learns nothing. */
  explore?: string | null;
  /** Other settings. */
  settings?: Record<string, unknown>;
  /** What it was made with, by hash. */
  origins?: Origins;
  seed?: number;
  steps?: number;
  promptsPerStep?: number;
  evaluated?: boolean;
  /** Of each held-out question; 8 by default. */
  samples?: number;
  /** Of evaluations; 1 by default. */
  temperature?: number;
}

/** A run that nobody trained: its policy drifts to one answer of each question, right or wrong. */
export class RunInTheMaking {
  private readonly random: Random;
  private readonly ledger: Ledger;
  private readonly haste: number;
  step = 0;

  constructor(
    readonly path: string,
    private readonly run: MadeRun = {},
  ) {
    const { explore = "none", seed = 1, evaluated = true } = run;
    this.random = new Random(seed, ...Buffer.from(explore ?? ""));
    this.haste = explore === null ? Infinity : 50 + 10 * explore.length;
    mkdirSync(path, { recursive: true });
    const settings = {
      ...(explore !== null && { explore }),
      seed,
      data: "sums.jsonl",
      outcome: "number",
      model: "embedded",
    };
    const config = {
      settings: {
        ...settings,
        ...run.settings,
        evalFile: evaluated ? "held-out.jsonl" : null,
        outputDir: path,
      },
      origins: run.origins,
      versions: { rlexplore: "0.1.0" },
      adapter: { name: "none" },
    };
    writeFileSync(join(path, "config.json"), JSON.stringify(config));
    writeFileSync(join(path, "metrics.jsonl"), "");
    this.ledger = new Ledger(join(path, "ledger.sqlite"));
    if (evaluated) this.evaluate();
  }

  /** Goes on for some steps. */
  train(steps: number) {
    const { promptsPerStep = 4 } = this.run;
    for (const last = this.step + steps; this.step < last; ) {
      this.step++;
      const rollouts: Rollout[] = [];
      for (let slot = 0; slot < promptsPerStep; slot++) {
        const question = (this.step * promptsPerStep + slot) % QUESTIONS;
        for (let sample = 0; sample < GROUP; sample++) {
          rollouts.push(this.rollout(question, slot, sample));
        }
      }
      this.ledger.append(this.step, rollouts);
      const right = rollouts.filter(({ correct }) => correct).length / rollouts.length;
      this.log({
        step: this.step,
        loss: -right / 10,
        reward: right + 0.1,
        rewardParts: { correct: right, format: 1 },
        noAnswer: 0.02,
        equalRewards: 0.25,
        passAt1: right,
        distinct: 2,
        entropy: 1 / this.step,
        completionLength: 7,
        truncated: 0,
        exploration: 0,
        solved: right,
        kl: null,
        gradNorm: 0.5,
        learningRate: 1e-4,
        samplingTokensPerSecond: 8000,
        learningTokensPerSecond: 4000,
      });
    }
  }

  /** Evaluates, as `train` does before and after. */
  evaluate() {
    const tallies = Array.from({ length: 12 }, (_, q) => {
      const completions = Array.from({ length: this.run.samples ?? 8 }, () => {
        const outcome = this.answer(q);
        return { outcome, correct: outcome === "0", finished: true, entropies: [0.5, 0.1] };
      });
      return tallyQuestion(`held out ${q}`, "0", completions);
    });
    this.log({ step: this.step, evaluation: summarize(tallies) });
    const path = evaluationPath(this.path, "held-out.jsonl", this.step);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(
      path,
      JSON.stringify({
        data: "held-out.jsonl",
        samples: tallies[0].samples,
        sampling: { temperature: this.run.temperature ?? 1 },
        figures: estimates(tallies, powersOfTwo(tallies[0].samples)),
        questions: tallies,
      }),
    );
  }

  /** Forgets what came after a step, as a resumed run does. */
  backTo(step: number) {
    this.ledger.removeAfter(step);
    this.step = step;
  }

  close() {
    this.ledger.close();
  }

  private answer(question: number): string | null {
    if (this.random.chance(0.02)) return null;
    // question 0 is never solved; most settle on the right answer, 0
    const habit = question === 0 ? 1 : question % 5 === 0 ? 2 : 0;
    if (this.random.chance(Math.min(0.9, 0.2 + this.step / this.haste))) return String(habit);
    return String(1 + this.random.int(question === 7 ? 40 : 8));
  }

  private rollout(question: number, slot: number, sample: number): Rollout {
    const outcome = this.answer(question);
    const correct = question > 0 && outcome === "0";
    return {
      question: `what is <${question}> & more?`,
      slot,
      sample,
      completion: `</script> it is ${outcome}`,
      outcome,
      correct,
      reward: correct ? 1 : 0,
      exploration: 0,
      advantage: 0,
      tokens: 7,
      truncated: false,
      logprob: -0.2,
      entropy: 1 / (1 + this.step),
      parts: { correct: correct ? 1 : 0 },
      tokenIds: null,
      logprobs: null,
    };
  }

  /** Adds a line of metrics. */
  log(line: object) {
    appendFileSync(join(this.path, "metrics.jsonl"), `${JSON.stringify(line)}\n`);
  }
}

/** A whole run: evaluated before, early and after. */
export function makeRun(path: string, run: MadeRun = {}): string {
  const { steps = 40, evaluated = true } = run;
  const made = new RunInTheMaking(path, run);
  made.train(steps / 4);
  if (evaluated) made.evaluate();
  made.train(steps - made.step);
  if (evaluated) made.evaluate();
  made.close();
  return path;
}
