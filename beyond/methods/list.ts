/**
 * Methods of papers, beside those of lib/explore/: a file for each, with formula, source and a worked example.
 * docs/methods.md says what each is for.
 */
import { leaveOneOutK } from "./leave-one-out-k.ts";
import { maxAtK } from "./max-at-k.ts";
import { maxrl } from "./maxrl.ts";
import { passAtKAdvantage } from "./pass-at-k.ts";

export const paperAdvantages = [maxrl, passAtKAdvantage, maxAtK, leaveOneOutK] as const;
