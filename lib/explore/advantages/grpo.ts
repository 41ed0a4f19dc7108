import { mean } from "../mean.ts";
import type { AdvantageMethod } from "../method.ts";

/**
 * A_i = r_i - mean(r): GRPO has no value network, the completions of a question are each other's baseline (Shao et al.
 * 2024, arXiv 2402.03300; without the division by the standard deviation, which favours very easy and very hard
 * questions: Liu et al. 2025, arXiv 2503.20783; `--scale-rewards group` divides).
 */
export const grpo = {
  name: "grpo",
  readsHistory: false,
  parameters: {},
  signal({ rewards }) {
    const center = mean(rewards);
    return Float64Array.from(rewards, (reward) => reward - center);
  },
} satisfies AdvantageMethod;
