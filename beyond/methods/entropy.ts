import { mean } from "../../lib/explore/mean.ts";
import type { ExplorationMethod } from "../../lib/explore/method.ts";
import { surprises } from "./surprise.ts";

/**
 * B_i = -log pi(y_i | x) less its mean over the group: the gradient of the entropy of whole completions, from samples
 * (Williams 1992: grad H = E[-log pi grad log pi]; n completions give (1 - 1/n) of it).
 *
 * The usual entropy bonus spreads all completions alike, the wrong ones too. As every bonus it is at most 0 for a
 * completion without an answer, and there is none for a solved group. A longer completion is a more surprising one.
 *
 *     log pi = -1 -2 -3 -2: B = -1 0 1 0
 */
export const entropy = {
  name: "entropy",
  readsHistory: false,
  parameters: {},
  signal({ logprobs }) {
    const surprise = surprises(logprobs);
    const center = mean(surprise);
    return Float64Array.from(surprise, (own) => own - center);
  },
} satisfies ExplorationMethod;
