import { grpo } from "../../lib/explore/advantages/grpo.ts";
import type { AdvantageMethod } from "../../lib/explore/method.ts";
import { atK } from "./at-k.ts";

/**
 * GRPO's advantage times the chance that k - 1 further tries of the question all fail, given that s of the m
 * completions of earlier steps succeeded and that all chances of success were equally likely before:
 *
 *     gate = product over j = 0..k-2 of (m - s + 1 + j) / (m + 2 + j)
 *
 * It is what a little more chance of success still adds to pass@k, over k; a question that succeeded often stops
 * pulling. s counts the earlier sightings of the answers that are right in this group: other right answers of the
 * question are not known to it. (In a group without a right answer GRPO has nothing to gate, but for graded rewards.)
 *
 * After Bayesian Boundary Gating (Yuan et al. 2026, arXiv 2606.15455), of which the abstract could be read: it
 * gates by observed success, by an estimate of what a question adds to the boundary. This estimate is ours, not theirs.
 *
 *     k = 2, seen 8 times, 3 of them right: gate = (8 - 3 + 1) / (8 + 2) = 3/5; rewards 1 0 0 0: A = 9/20 -3/20 -3/20 -3/20
 */
export const gated = {
  name: "gated",
  readsHistory: true,
  parameters: { atK },
  signal(group, { atK: k }) {
    const { correct, history, outcomes } = group;
    const right = new Set(outcomes.filter((_, i) => correct[i]));
    let tries = 0;
    let successes = 0;
    for (const [outcome, count] of history) {
      tries += count;
      if (right.has(outcome)) successes += count;
    }
    let gate = 1;
    for (let j = 0; j <= k - 2; j++) gate *= (tries - successes + 1 + j) / (tries + 2 + j);
    return grpo.signal(group).map((advantage) => advantage * gate);
  },
} satisfies AdvantageMethod;
