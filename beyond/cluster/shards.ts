/**
 * The gradient of a step in shards. Floating-point sums depend on their order, so a step that many GPUs
 * share could give other bits than one that a single GPU makes. Here the completions of a step are cut into
 * G shards by a rule that knows nothing of GPUs; each shard's gradient is summed on one GPU, in order, and
 * the shards' gradients are added in order, in float32:
 *
 *     g = (((g_1 + g_2) + g_3) + ... + g_G)
 *
 * The bits then depend on G, and not on how many GPUs there are or which of them made which shard.
 */
import { type LossSums, newLossSums } from "../../lib/explore/loss.ts";
import type { Item, Learner } from "../../lib/learn.ts";
import type { Policy } from "../../lib/policy.ts";
import { exponentOf, fromHalves, type GradientDtype, sumExponent, toHalves } from "./halves.ts";

/** Cuts completions, in order, into `shards` runs of nearly equal numbers of tokens; some may be empty. */
export function cutShards<Some extends Pick<Item, "completion">>(
  items: readonly Some[],
  shards: number,
): Some[][] {
  const cut: Some[][] = Array.from({ length: shards }, () => []);
  const total = items.reduce((sum, { completion }) => sum + completion.tokens.length, 0);
  let before = 0;
  for (const item of items) {
    // where the middle of a completion falls decides, in whole numbers
    const middle = 2 * before + item.completion.tokens.length;
    cut[Math.min(shards - 1, Math.floor((middle * shards) / (2 * total)))].push(item);
    before += item.completion.tokens.length;
  }
  return cut;
}

/** A policy gradient of which the shards are made one after another on one GPU, and added by the host. */
export class ShardedGradient implements Learner {
  private readonly sum: Float32Array<ArrayBuffer>[];
  private readonly shard: Float32Array<ArrayBuffer>[];

  constructor(
    private readonly whole: Learner,
    private readonly policy: Pick<Policy, "gpu" | "gradients">,
    private readonly shards: number,
    private readonly dtype: GradientDtype,
  ) {
    const floats = () =>
      policy.gradients.layout.slabs.map(({ length }) => new Float32Array(length));
    this.sum = floats();
    this.shard = floats();
  }

  async gradient(items: readonly Item[], normalizer: number): Promise<LossSums> {
    const { gpu, gradients } = this.policy;
    const sums = newLossSums();
    const shards = cutShards(items, this.shards).filter((some) => some.length > 0);
    if (shards.length === 0) return this.whole.gradient([], normalizer);
    const exponents: number[] = [];
    for (const [i, some] of shards.entries()) {
      addSums(sums, await this.whole.gradient(some, normalizer));
      const into = i === 0 ? this.sum : this.shard;
      await gpu.commands.read(gradients.slabs, into);
      exponents.push(this.asSent(into, exponentOf));
      if (i > 0) addFloats(this.sum, this.shard);
    }
    this.asSent(this.sum, () => sumExponent(exponents));
    for (const [i, slab] of gradients.slabs.entries()) gpu.upload(slab, this.sum[i]);
    return sums;
  }

  step(learningRate: number, updateNumber: number): Promise<number | null> {
    return this.whole.step(learningRate, updateNumber);
  }

  /** Rounds a vector as a cluster would that sends it; returns its exponent. */
  private asSent(
    slabs: readonly Float32Array[],
    find: (slabs: readonly Float32Array[]) => number,
  ): number {
    if (this.dtype === "f32") return 0;
    const exponent = find(slabs);
    for (const slab of slabs) slab.set(fromHalves(toHalves(slab, exponent), exponent));
    return exponent;
  }
}

/** sum += more. */
export function addSums(sum: LossSums, more: LossSums): void {
  for (const name of Object.keys(sum) as (keyof LossSums)[]) sum[name] += more[name];
}

/** sum += more, in float32. */
function addFloats(sum: readonly Float32Array[], more: readonly Float32Array[]): void {
  for (const [i, into] of sum.entries()) {
    const from = more[i];
    for (let j = 0; j < into.length; j++) into[j] += from[j];
  }
}
