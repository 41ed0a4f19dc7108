/**
 * Methods of papers, beside those of lib/explore/: a file for each, with formula, source and a worked example.
 * docs/methods.md says what each is for.
 */
import { batchWrong } from "./batch-wrong.ts";
import { clipCovariance } from "./clip-covariance.ts";
import { differentialSmoothing } from "./differential-smoothing.ts";
import { entropy } from "./entropy.ts";
import { gated } from "./gated.ts";
import { inverseProbability } from "./inverse-probability.ts";
import { leaveOneOutK } from "./leave-one-out-k.ts";
import { maxAtK } from "./max-at-k.ts";
import { maxrl } from "./maxrl.ts";
import { negativeSamples } from "./negative-samples.ts";
import { passAtKAdvantage } from "./pass-at-k.ts";
import { unlikeliness } from "./unlikeliness.ts";

export const paperAdvantages = [
  maxrl,
  passAtKAdvantage,
  maxAtK,
  leaveOneOutK,
  gated,
  unlikeliness,
  inverseProbability,
  differentialSmoothing,
  negativeSamples,
] as const;

export const paperBonuses = [batchWrong, entropy, clipCovariance] as const;
