import type { UserOutcome } from "../beyond/own/outcome.ts";

/** A reward that costs nothing and differs from text to text, so that no group is without signal; as in trl_steps.py. */
const reward: UserOutcome = (completion) => {
  let sum = 0;
  for (const letter of completion) sum += letter.codePointAt(0) ?? 0;
  return { outcome: null, reward: (sum % 97) / 97 };
};

export default reward;
