import { join } from "node:path";
import { busySeconds, type Profile, type StageProfile } from "../beyond/scheduling/profile.ts";
import { EMBEDDED } from "../beyond/settings/shared.ts";
import type { Bench, Part } from "./harness.ts";
import { shortName } from "./models.ts";
import { rest, type StepTimes, timedTraining, WARM_UP } from "./stopwatch.ts";
import { median, type Row } from "./tables.ts";

export const DATA = join(import.meta.dir, "..", "examples", "arithmetic.jsonl");

/** How large the steps of a model are that are timed. */
export interface StepSize {
  prompts: number;
  samples: number;
  /** Most tokens of a completion. */
  length: number;
  steps: number;
}

/** The defaults for the embedded model; of others what a CPU does in a few seconds, and a GPU fills up with. */
export function stepSize(model: string, isSoftware: boolean): StepSize {
  if (model === EMBEDDED) return { prompts: 16, samples: 8, length: 32, steps: 16 };
  if (isSoftware) return { prompts: 1, samples: 8, length: 32, steps: 4 };
  return { prompts: 16, samples: 8, length: 256, steps: 10 };
}

/** Arguments of `train` for such steps. */
export function stepArguments(bench: Bench, model: string, size: StepSize): string[] {
  const flags = {
    model,
    "max-steps": size.steps,
    "prompts-per-step": size.prompts,
    "num-generations": size.samples,
    "max-completion-length": size.length,
    "sampling-batch-size": size.prompts * size.samples,
    ...(bench.request && { gpu: bench.request }),
  };
  return [DATA, ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, `${value}`])];
}

/**
 * Makes every group one to learn from, whatever the model can do: a reward that differs from text to text.
 * With completions of a fixed length every step has as much to do.
 */
export const ALWAYS_LEARN = ["--outcome", join(import.meta.dir, "reward.ts"), "--explore", "none"];

/** Medians of the parts of steps, in seconds, rates, and how long the GPU had nothing to do. */
export function stepRow(name: string, times: readonly StepTimes[], profile?: Profile): Row {
  const steps = times.slice(WARM_UP);
  const middle = (value: (step: StepTimes) => number) => median(steps.map(value));
  return {
    name,
    "step s": middle((s) => s.whole),
    sampling: middle((s) => s.sampling),
    scoring: middle((s) => s.scoring),
    learning: middle((s) => s.learning),
    optimizer: middle((s) => s.optimizer),
    rest: middle(rest),
    "tokens sampled": middle((s) => s.sampledTokens),
    "sampled tokens/s": middle((s) => s.sampledTokens / s.sampling),
    "learned tokens/s": middle((s) => s.learnedTokens / s.learning),
    ...(profile && idlePercents(profile)),
  };
}

/** Of the whole step, and of the two stages that take long. */
function idlePercents({ stages }: Profile): Record<string, number> {
  const shareOf = (some: readonly StageProfile[]) => {
    const idle = some.reduce((sum, stage) => sum + stage.idle.seconds, 0);
    const busy = some.reduce((sum, stage) => sum + busySeconds(stage) + stage.between.seconds, 0);
    return (100 * idle) / (idle + busy);
  };
  const named = (name: string) => [...stages].flatMap(([key, one]) => (key === name ? [one] : []));
  return {
    "idle %": shareOf([...stages.values()]),
    "sampling idle %": shareOf(named("sampling")),
    "learning idle %": shareOf(named("learning")),
  };
}

export const stepPart: Part = {
  about: "a training step: its parts in seconds, and rates",
  quick: true,
  async run(bench) {
    const rows: Row[] = [];
    for (const model of bench.models) {
      const size = stepSize(model, bench.isSoftware);
      const args = stepArguments(bench, model, size);
      const { times, loading, profile } = await (model === EMBEDDED
        ? timedTraining(args, { profiled: true })
        : timedTraining([...args, ...ALWAYS_LEARN], { fixedLength: true, profiled: true }));
      const name = `${shortName(model)}, ${size.prompts} x ${size.samples}`;
      rows.push({ ...stepRow(name, times, profile), "loading the model": loading });
    }
    bench.show({ title: "A training step: prompts x completions, seconds", rows });
  },
};
