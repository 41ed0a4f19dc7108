import { exploreMutants } from "./explore.ts";
import { loopMutants } from "./loop.ts";
import { modelMutants } from "./model.ts";
import type { Mutants } from "./mutant.ts";
import { pagingMutants } from "./paging.ts";
import { speculationMutants } from "./speculation.ts";

/** All mistakes that `npm run mutants` plants. */
export const allMutants: readonly Mutants[] = [
  ...exploreMutants,
  ...loopMutants,
  ...modelMutants,
  ...pagingMutants,
  ...speculationMutants,
];
