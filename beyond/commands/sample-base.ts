import { UserError } from "../../lib/errors.ts";
import type { ScoredGroup } from "../../lib/learn.ts";
import { drawQuestions } from "../../lib/random.ts";
import { type Group, PURPOSE, rollout } from "../../lib/rollout.ts";
import type { Bridging } from "../cluster/bridge.ts";
import { explainNotFinite } from "../opening/not-finite.ts";
import { openSampling } from "../opening/open-sampling.ts";
import { shuffleSeedOf } from "../opening/questions.ts";
import { modelPath, RunFolder } from "../runs/folder.ts";
import { Ledger } from "../runs/ledger.ts";
import { describeGroups, promptsOf, rolloutsOf } from "../runs/metrics.ts";
import { originsFrom, originsOf, requireSameOrigins } from "../runs/origins.ts";
import { runConfig } from "../runs/versions.ts";
import { storedSettings } from "../settings/stored.ts";
import type { SampleBaseSettings } from "../settings/training.ts";
import { command } from "../terminal/program.ts";
import { Progress } from "../terminal/progress.ts";

/**
 * `rlexplore sample-base`: what training is compared with. The model answers the questions that a run of `train` with
 * the same seed would draw, in the same order and as often, and stays as it is. The run that this leaves
 * has metrics and a ledger, and no checkpoint.
 * @param lane the part of a cluster that it has to itself, if any
 */
export async function sampleBase(
  given: SampleBaseSettings,
  signal?: AbortSignal,
  lane?: Bridging,
): Promise<void> {
  if (!given.resume) RunFolder.requireFree(given.outputDir);
  const progress = new Progress({ total: given.maxSteps, ...given });
  const note = (text: string) => progress.note(text);
  const begun = given.resume ? RunFolder.open(given.resume) : undefined;
  const known = { begun: begun?.readConfig(), lane };
  const opened = await openSampling(given, given.numGenerations, note, known);
  const { policy, questions, settings, rows, model } = opened;
  const { promptsPerStep, numGenerations, maxSteps } = settings;
  const seed = shuffleSeedOf(settings);
  const origins = await originsOf(rows, model, settings);
  const { begun: config } = known;
  const folder = begun ?? RunFolder.create(settings.outputDir, settings.data);
  const ledger = new Ledger(folder.ledgerPath);
  progress.follow((activity, left) => folder.tell(activity, left));
  try {
    if (config) requireSameOrigins(config.origins, origins, settings, note, "another run");
    // a step is one transaction: what is in the ledger is whole
    let step = ledger.lastStep();
    if (step > maxSteps) {
      throw new UserError(
        `${folder.path} has done ${step} steps already: raise --max-steps ${maxSteps}`,
      );
    }
    folder.removeMetricsAfter(step);
    if (step > 0) note(`resumed after step ${step}`);
    const stored = storedSettings({ ...settings, model: modelPath(settings.model) });
    folder.writeConfig(runConfig(stored, policy, originsFrom(config?.origins, origins, step)));
    const solved = new Set(ledger.solvedQuestions());
    progress.start();
    while (step < maxSteps && !signal?.aborted) {
      step++;
      const began = performance.now();
      const first = (step - 1) * promptsPerStep;
      const drawn = drawQuestions(seed, first, promptsPerStep, questions.length);
      const asked = drawn.map((i) => questions[i]);
      const sampled = await rollout(policy, asked, numGenerations, settings, PURPOSE.train, step);
      const groups = sampled.map(unlearned);
      for (const { question, completions } of groups) {
        if (completions.some(({ correct }) => correct)) solved.add(question.text);
      }
      const seconds = (performance.now() - began) / 1000;
      const described = describeGroups(groups);
      const tokens = described.completionLength * promptsPerStep * numGenerations;
      const metrics = {
        ...described,
        solved: solved.size / questions.length,
        samplingTokensPerSecond: tokens / seconds,
        seconds,
      };
      folder.requireThere();
      // metrics first: the ledger alone says how far the run came
      folder.appendMetrics({ step, ...metrics });
      ledger.append(step, groups.flatMap(rolloutsOf), promptsOf(groups, policy.tokenizer));
      progress.step(step, metrics);
    }
    progress.end();
    const { path } = folder;
    if (step === maxSteps) progress.result("saved", { path }, `the samples are in ${path}`);
    else {
      const way = command`sample-base --resume ${path}`;
      progress.result(
        "stopped",
        { step, run: path },
        `stopped after step ${step}; go on with: ${way}`,
      );
    }
  } catch (error) {
    throw explainNotFinite(error, settings);
  } finally {
    folder.tell(null);
    ledger.close();
    await policy.close();
  }
}

/** A group from which nothing is learned; a right answer is worth 1, as in training. */
const unlearned = (group: Group): ScoredGroup => ({
  ...group,
  earned: group.completions.map(({ correct }) => ({ reward: correct ? 1 : 0, parts: {} })),
  advantages: new Float64Array(group.completions.length),
  exploration: new Float64Array(group.completions.length),
  hasSignal: false,
});
