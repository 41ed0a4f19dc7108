/** Beginnings of own code, each of which works as it is. */
import advantage from "./starts/advantage.ts.txt" with { type: "text" };
import bonus from "./starts/bonus.ts.txt" with { type: "text" };
import outcome from "./starts/outcome.ts.txt" with { type: "text" };
import reward from "./starts/reward.ts.txt" with { type: "text" };
import types from "./starts/rlexplore.d.ts.txt" with { type: "text" };

export const STARTS = { bonus, advantage, outcome, reward };
export type Kind = keyof typeof STARTS;
export const KINDS = Object.keys(STARTS) as Kind[];

/** What `import ... from "rlexplore"` gives, for editors. */
export const TYPES = types;
