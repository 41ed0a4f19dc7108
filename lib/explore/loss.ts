/**
 * Chapter 4: the policy-gradient loss and its gradient.
 *
 * For sequence i with tokens t, log-probabilities l_t under the policy being trained and o_t under the
 * policy that sampled, and per-token advantages A_t, the loss of a token is PPO's clipped objective
 * (separate clip ranges low and high: DAPO, Yu et al. 2025, arXiv 2503.14476) plus a KL penalty:
 *
 *     loss_t = -min(s_t A_t, clip(s_t, 1 - low, 1 + high) A_t) + beta k3_t
 *
 *     s_t  = exp(l_t - o_t)                         importance ratio, level "token"
 *     s_t  = exp(mean over the sequence of l - o)   level "sequence" (GSPO, Zheng et al. 2025,
 *                                                   arXiv 2507.18071)
 *     k3_t = exp(q_t - l_t) - (q_t - l_t) - 1       KL to the reference policy q, an estimator that is
 *                                                   unbiased and never negative (Schulman 2020, "k3")
 *
 * and its gradient, since d s_t / d l_t = s_t,
 *
 *     d loss_t / d l_t = -s_t A_t (0 where the clip is what min picks) + beta (1 - exp(q_t - l_t)).
 *
 * With `klBiasCorrection` the penalty is beta s_t k3_t. Its gradient, beta s_t (l_t - q_t) at level "token", is an
 * unbiased estimate of that of KL(policy || reference) (DeepSeek-V3.2, arXiv 2512.02556); that of k3 alone is not, also
 * where the ratio is 1: in expectation it is that of KL(reference || policy).
 *
 * At level "sequence" this is GSPO-token (section 4.3 there): the ratio of the sequence acts as a
 * factor of each token's own gradient. With one advantage for the whole sequence value and gradient are
 * GSPO's own; with per-token advantages each token keeps its own, where differentiating the mean would
 * smear them over the sequence.
 *
 * The loss types differ in how tokens are averaged, over *the whole optimizer step* of S sequences with
 * L_i tokens in the loss, so that cutting it into micro-batches changes nothing:
 *
 *     grpo      1/S sum_i 1/L_i sum_t loss_t        each sequence counts the same (Shao et al. 2024)
 *     dapo      1/(sum_i L_i) sum_i sum_t loss_t    each token counts the same (Yu et al. 2025)
 *     bnpo      the same: TRL's dapo and bnpo differ in normalising over the step or the micro-batch
 *     dr_grpo   1/(S maxCompletionLength) sum_i sum_t loss_t    no length bias (Liu et al. 2025)
 */

export type LossType = "grpo" | "dr_grpo" | "dapo" | "bnpo";

export interface LossSettings {
  readonly lossType: LossType;
  /** Clip range below 1: the ratio of a token with negative advantage stops counting at 1 - epsilonLow. */
  readonly epsilonLow: number;
  /** Clip range above 1, for positive advantages. */
  readonly epsilonHigh: number;
  /** Weight of the KL penalty; 0 needs no reference log-probabilities. */
  readonly beta: number;
  /** Whether the penalty is multiplied by the importance ratio. */
  readonly klBiasCorrection: boolean;
  readonly importanceSamplingLevel: "token" | "sequence";
  /** The constant length that `dr_grpo` divides by. */
  readonly maxCompletionLength: number;
}

type Floats = Float32Array | Float64Array;

/** S' of the step's sequences, concatenated: M tokens in all. Sequences are never split. */
export interface LossBatch {
  /** Sequence i is tokens offsets[i] to offsets[i + 1] [S' + 1]. */
  readonly offsets: ArrayLike<number>;
  /** Under the policy being trained [M]. */
  readonly logprobs: Floats;
  /** Recorded when the completions were sampled [M]. */
  readonly oldLogprobs: Floats;
  /** Under the reference policy [M]; read when beta is not 0. */
  readonly refLogprobs?: Floats;
  /** Advantage of each token [M]. */
  readonly advantages: Floats;
  /** 1 for a token in the loss, 0 for one left out [M]; without it all are in. */
  readonly mask?: Uint8Array;
}

/** Sums over micro-batches: `loss` is then that of the step, the others are divided by `tokens`. */
export interface LossSums {
  loss: number;
  /** Tokens in the loss. */
  tokens: number;
  /** Sum of k3 (0 if beta is 0). */
  kl: number;
  /** Sum of importance ratios. */
  ratio: number;
  /** Tokens without gradient because their ratio fell below 1 - epsilonLow at a negative advantage. */
  clippedLow: number;
  /** Tokens without gradient because their ratio rose above 1 + epsilonHigh at a positive advantage. */
  clippedHigh: number;
}

/** Zeros, to be summed into. */
export function newLossSums(): LossSums {
  return { loss: 0, tokens: 0, kl: 0, ratio: 0, clippedLow: 0, clippedHigh: 0 };
}

/**
 * The divisor common to all tokens of an optimizer step: S for `grpo` (which divides by L_i as well),
 * the number of tokens for `dapo` and `bnpo`, S * maxCompletionLength for `dr_grpo`.
 *
 * @param lengths L_i of *every* sequence drawn for the step [S]: 0 for one that is masked out, and
 *   those of skipped groups too, so that skipping saves work without changing the update
 */
export function lossNormalizer(lengths: ArrayLike<number>, settings: LossSettings): number {
  if (settings.lossType === "grpo") return Math.max(1, lengths.length);
  if (settings.lossType === "dr_grpo") {
    return Math.max(1, lengths.length) * settings.maxCompletionLength;
  }
  let tokens = 0;
  for (let i = 0; i < lengths.length; i++) tokens += lengths[i];
  return Math.max(1, tokens);
}

/** Schulman's estimator of KL, for a log-ratio of reference to policy. */
const k3 = (logRatio: number) => Math.expm1(logRatio) - logRatio;

/**
 * The share of a micro-batch in the step's loss, and its gradient, in float64.
 *
 * @param normalizer `lossNormalizer` of the whole step
 * @param dLogprobs d loss / d logprobs, overwritten [M]: 0 outside the mask
 * @param sums what this micro-batch is added to
 * @returns `sums`
 */
export function policyLoss(
  batch: LossBatch,
  normalizer: number,
  settings: LossSettings,
  dLogprobs: Floats,
  sums: LossSums = newLossSums(),
): LossSums {
  const { offsets, logprobs, oldLogprobs, refLogprobs, advantages, mask } = batch;
  const { beta } = settings;
  const low = 1 - settings.epsilonLow;
  const high = 1 + settings.epsilonHigh;
  if (beta !== 0 && refLogprobs === undefined) {
    throw new RangeError("a KL penalty (beta) needs the reference policy's log-probabilities");
  }
  dLogprobs.fill(0);

  for (let i = 0; i + 1 < offsets.length; i++) {
    let length = 0;
    let logRatioSum = 0;
    let klSum = 0;
    for (let t = offsets[i]; t < offsets[i + 1]; t++) {
      if (mask !== undefined && mask[t] === 0) continue;
      length++;
      logRatioSum += logprobs[t] - oldLogprobs[t];
      if (beta !== 0) klSum += k3((refLogprobs as Floats)[t] - logprobs[t]);
    }
    const sequenceRatio = Math.exp(logRatioSum / Math.max(1, length));
    const weight = 1 / (normalizer * (settings.lossType === "grpo" ? length : 1));

    for (let t = offsets[i]; t < offsets[i + 1]; t++) {
      if (mask !== undefined && mask[t] === 0) continue;
      const advantage = advantages[t];
      const ratio =
        settings.importanceSamplingLevel === "sequence"
          ? sequenceRatio
          : Math.exp(logprobs[t] - oldLogprobs[t]);
      const clippedLow = advantage < 0 && ratio < low;
      const clippedHigh = advantage > 0 && ratio > high;
      const effectiveRatio = clippedLow ? low : clippedHigh ? high : ratio;
      let loss = -effectiveRatio * advantage;
      let gradient = clippedLow || clippedHigh ? 0 : -ratio * advantage;
      if (beta !== 0) {
        const logRatioToRef = (refLogprobs as Floats)[t] - logprobs[t];
        let kl = k3(logRatioToRef);
        let klGradient = -Math.expm1(logRatioToRef);
        if (settings.klBiasCorrection) {
          // the ratio of a sequence moves with each of its tokens, and multiplies the k3 of all
          const moved = settings.importanceSamplingLevel === "sequence" ? klSum / length : kl;
          klGradient = ratio * (klGradient + moved);
          kl *= ratio;
        }
        loss += beta * kl;
        gradient += beta * klGradient;
        sums.kl += kl;
      }
      dLogprobs[t] = weight * gradient;
      sums.loss += weight * loss;
      sums.ratio += ratio;
      sums.clippedLow += Number(clippedLow);
      sums.clippedHigh += Number(clippedHigh);
    }
    sums.tokens += length;
  }
  return sums;
}
