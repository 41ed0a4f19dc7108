import { UserError } from "../../lib/errors.ts";
import { BLOCK_ROWS } from "../../lib/model/ops/heads.ts";
import { ceil } from "../../lib/model/ops/kernels.ts";

/** What decides how many tokens a sampler may hold at once. */
export interface CacheSizes {
  rows: number;
  promptSlots: number;
  maxPromptTokens: number;
  maxNewTokens: number;
  readEvery: number;
}

/** Tokens that prompts and completions are, each as long as it may be and in whole units. */
export function cacheTokens(
  { promptSlots, rows, maxPromptTokens, maxNewTokens, readEvery }: CacheSizes,
  unit = 1,
): number {
  const whole = (tokens: number) => ceil(tokens, unit) * unit;
  return promptSlots * whole(maxPromptTokens) + rows * whole(maxNewTokens + readEvery);
}

/**
 * The blocks of a cache for `tokens` tokens; undefined where all rows have place at their longest.
 * @throws UserError if not even one completion has
 */
export function cacheBlocksFor(tokens: number | null, sizes: CacheSizes): number | undefined {
  if (tokens === null || tokens >= cacheTokens(sizes)) return undefined;
  const least = cacheTokens({ ...sizes, promptSlots: 1, rows: 1 }, BLOCK_ROWS);
  if (tokens >= least) return Math.floor(tokens / BLOCK_ROWS);
  throw new UserError(
    `--kv-cache-tokens ${tokens} cannot hold a prompt of ${sizes.maxPromptTokens} and a completion of ` +
      `${sizes.maxNewTokens} tokens, each held ${BLOCK_ROWS} at a time: give ${least} or more, or lower --max-completion-length`,
  );
}
