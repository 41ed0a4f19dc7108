/** What a trap is. */
import type { Random } from "../../lib/random.ts";

/** A right answer, the same in other words, and answers that are wrong. */
export interface Trap {
  gold: string;
  equal: string[];
  different: string[];
}
export type Make = (random: Random) => Trap;
