import { complete } from "../../beyond/settings/complete.ts";
import { parseExploration } from "../../beyond/settings/exploration.ts";
import { flagsOf } from "../../beyond/settings/flags.ts";
import { type TrainSettings, trainGroups } from "../../beyond/settings/training.ts";
import type { Exploration } from "../../lib/explore/bonus.ts";
import type { RewardRules } from "../../lib/rewards.ts";
import type { RolloutSettings } from "../../lib/rollout.ts";
import type { GrpoSettings } from "../../lib/train.ts";
import type { MethodChoice, Setup } from "../messages.ts";
import { ownMethod, type Watch } from "./own-method.ts";

/** Most tokens in a prompt; the model's context holds 64. */
export const LONGEST_PROMPT = 24;
export const LONGEST_COMPLETION = 32;

/** What `rlexplore train` would train with, given the visitor's choices. */
export function settingsOf(setup: Setup): TrainSettings & GrpoSettings {
  const { seed, promptsPerStep, numGenerations, learningRate } = setup;
  const given = { seed, promptsPerStep, numGenerations, learningRate };
  const all = complete(flagsOf(trainGroups), given) as TrainSettings;
  return {
    ...all,
    epsilonLow: all.epsilon,
    epsilonHigh: all.epsilonHigh ?? all.epsilon,
    shuffleSeed: all.shuffleSeed ?? all.seed,
    maxCompletionLength: LONGEST_COMPLETION,
  };
}

/** How a model is asked what nobody trains on. */
export function sampling(seed: number): RolloutSettings {
  const all = complete(flagsOf(trainGroups), { seed }) as TrainSettings;
  return { ...all, maxCompletionLength: LONGEST_COMPLETION };
}

/** A right answer earns 1. */
export const REWARD: RewardRules = {
  terms: [{ part: "correct", weight: 1 }],
  answerForm: "any",
  maxCompletionLength: LONGEST_COMPLETION,
  overlongCache: Math.ceil(LONGEST_COMPLETION / 5),
};

/** @throws RangeError, or UserError for code of the visitor's, with a line that says what is wrong */
export function explorationOf(
  { explore, coefficients, b0, code }: MethodChoice,
  watch?: Watch,
): Exploration {
  if (explore !== "own") return parseExploration(explore, coefficients, { b0 });
  return [{ method: ownMethod(code, watch), coefficient: coefficients[0], parameters: {} }];
}
