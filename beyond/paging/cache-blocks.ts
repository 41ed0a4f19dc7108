import { UserError } from "../../lib/errors.ts";
import { BLOCK_ROWS } from "../../lib/model/ops/heads.ts";

/** What decides how many tokens a sampler may hold at once. */
export interface CacheSizes {
  rows: number;
  promptSlots: number;
  maxPromptTokens: number;
  maxNewTokens: number;
  readEvery: number;
}

const whole = (tokens: number) => Math.ceil(tokens / BLOCK_ROWS) * BLOCK_ROWS;

/** Tokens of `prompts` prompts and `rows` completions, in whole blocks, all of them as long as they may be. */
export const cacheTokens = (
  prompts: number,
  rows: number,
  { maxPromptTokens, maxNewTokens, readEvery }: CacheSizes,
): number => prompts * whole(maxPromptTokens) + rows * whole(maxNewTokens + readEvery);

/** Tokens of a cache in which every prompt and every row has a place of its own, blocks or not. */
export const ownTokens = ({ promptSlots, rows, ...sizes }: CacheSizes): number =>
  promptSlots * sizes.maxPromptTokens + rows * (sizes.maxNewTokens + sizes.readEvery);

/**
 * The blocks of a cache for `tokens` tokens; undefined where all rows have place at their longest.
 * @throws UserError if not even one completion has
 */
export function cacheBlocksFor(tokens: number | null, sizes: CacheSizes): number | undefined {
  if (tokens === null || tokens >= ownTokens(sizes)) return undefined;
  const least = cacheTokens(1, 1, sizes);
  if (tokens >= least) return Math.floor(tokens / BLOCK_ROWS);
  throw new UserError(
    `--kv-cache-tokens ${tokens} cannot hold a prompt of ${sizes.maxPromptTokens} and a completion of ` +
      `${sizes.maxNewTokens} tokens: give ${least} or more, or lower --max-completion-length`,
  );
}
