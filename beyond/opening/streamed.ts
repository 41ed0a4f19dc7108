import type { Sampler } from "../../lib/model/generate.ts";
import type { Weights } from "../../lib/model/parameters.ts";
import type { SamplingPolicy } from "../../lib/policy.ts";
import type { Tokenizer } from "../models/tokenizer.ts";

/** What is done with a completion while it grows. */
export interface Streaming {
  /** Gets the text, piece by piece, as far as no stop text can take it back. */
  tell: (piece: string) => void;
  /** Has the completion end here. */
  isStopped?: () => boolean;
  /** Tokens that the prompt shares with the one before it, from its beginning. */
  known?: number;
}

/** A model that tells the one completion it is asked for while it grows. */
export class StreamedPolicy implements SamplingPolicy {
  readonly tokenizer: Tokenizer;
  readonly stopIds: ReadonlySet<number>;
  readonly weights: Weights;
  readonly sampler: Pick<Sampler, "generate">;
  /** How much of the text was told, in UTF-16 units; what follows is for who gets the completion. */
  told = 0;

  constructor(
    policy: SamplingPolicy & { tokenizer: Tokenizer },
    stop: readonly string[],
    { tell, isStopped = () => false, known }: Streaming,
  ) {
    this.tokenizer = policy.tokenizer;
    this.stopIds = policy.stopIds;
    this.weights = policy.weights;
    const text = policy.tokenizer.stream(policy.stopIds);
    let read = 0;
    const watch = (tokens: readonly number[]) => {
      for (; read < tokens.length; read++) text.push(tokens[read]);
      const end = certain(text.text, stop);
      if (end <= this.told) return;
      tell(text.text.slice(this.told, end));
      this.told = end;
    };
    this.sampler = {
      generate: (weights, requests, settings) =>
        policy.sampler.generate(
          weights,
          requests.map((request) => ({ ...request, known })),
          {
            ...settings,
            isOver(tokens) {
              watch(tokens);
              return isStopped() || (settings.isOver?.(tokens) ?? false);
            },
          },
        ),
    };
  }
}

/** Where a stop text stands in the text, or may begin with the last characters of it. */
function certain(text: string, stop: readonly string[]): number {
  const longest = stop.reduce((length, mark) => Math.max(length, mark.length), 1);
  const found = stop.map((mark) => text.indexOf(mark)).filter((at) => at >= 0);
  const end = Math.min(text.length - longest + 1, ...found);
  const isHalf = /[\uD800-\uDBFF]/.test(text[end - 1] ?? "");
  return isHalf ? end - 1 : end;
}
