/**
 * `rlexplore worker`: one GPU of a cluster. It answers the requests of a run's driver, one at a time, frames in and
 * frames out. Every worker holds the whole policy and its optimizer and makes each update itself: what travels
 * is what was sampled and the gradients of shards, never weights, but to a worker that joins.
 *
 *     open       the model, as the run asks for it
 *     sample     completions of some requests
 *     gradient   d loss / d weights of one shard
 *     update     a step of the optimizer along the gradient that came
 *     state      weights and moments, for a checkpoint or for a worker that joins; restore takes them
 *
 * Each request says how many updates the policy must have had. A worker that has had others refuses, so that
 * no answer is ever of other weights than the driver means.
 */
import { crc32 } from "node:zlib";
import { NotFiniteError, UserError } from "../../lib/errors.ts";
import { type Learner, type LearnSettings, PolicyGradient } from "../../lib/learn.ts";
import type { GenerationRequest } from "../../lib/model/completion.ts";
import { type RolloutSettings, stopTest } from "../../lib/rollout.ts";
import type { PolicyNeeds } from "../memory/memory-plan.ts";
import { encodeSafetensors, openSafetensors } from "../models/safetensors.ts";
import { openNamedModel } from "../opening/named-model.ts";
import { openPolicy, type PolicySettings } from "../opening/open-policy.ts";
import type { OpenPolicy } from "../opening/policy.ts";
import type { RunTuning } from "../tuning/tuning.ts";
import { decodeFrames, encodeFrame, type Frame, type Header } from "./frames.ts";
import { exponentOf, fromHalves, toHalves } from "./halves.ts";
import { bytesOf, packCompletions, type SentItems, unpackItems } from "./wire.ts";

/** What a worker is opened with. */
export interface Opening {
  model: string;
  /** The base of a model that is an adapter, where its path is known. */
  base?: string;
  settings: PolicySettings;
  needs: Pick<PolicyNeeds, "sampling" | "learning">;
  /** Nothing where the policy is asked only. */
  learn?: LearnSettings & { microBatchTokens: number };
  /** The adapter and the kernels of the worker that was opened first, or of the run that goes on. */
  begun?: RunTuning;
}

/** How completions are sampled: `GenerationSettings` in what can be sent. */
export type SentSampling = Omit<RolloutSettings, "seed" | "maxCompletionLength"> & {
  maxNewTokens: number;
  seed: [number, number];
  step: number;
};

type Reply = [Header, Uint8Array[]?];

export class Worker {
  private policy: OpenPolicy | undefined;
  private learner: Learner | undefined;
  /** Updates that the weights have had. */
  private updates = 0;

  async answer({ header, bytes }: Frame): Promise<Reply> {
    const op = String(header.op);
    if (op === "open") return this.open(header.opening as Opening);
    if (!this.policy) throw new Error("the policy was not opened");
    if (op === "restore") return this.restore(this.policy, header, bytes);
    if (header.updates !== this.updates) {
      throw new Error(
        `asked of a policy after ${header.updates} updates, which has had ${this.updates}`,
      );
    }
    if (op === "sample") return this.sample(this.policy, header);
    if (op === "gradient") return this.gradient(this.policy, header, bytes);
    if (op === "update") return this.update(this.policy, header, bytes);
    if (op === "state") return this.state(this.policy);
    throw new Error(`no such request: ${op}`);
  }

  private async open({ model, base, settings, needs, learn, begun }: Opening): Promise<Reply> {
    const note = (text: string) => console.error(text);
    const opened = await openNamedModel(model, {}, base);
    const policy = await openPolicy(settings, opened, needs, { note }, begun);
    this.policy = policy;
    if (learn) this.learner = new PolicyGradient(policy, learn.microBatchTokens, learn);
    const { adapter, tuning, trained } = policy;
    const { name, driver, kind } = adapter;
    const parameters = trained.layout.slabs.reduce((sum, { length }) => sum + length, 0);
    return [{ adapter: { name, driver, kind }, tuning, gradientBytes: 4 * parameters }];
  }

  private async sample(policy: OpenPolicy, header: Header): Promise<Reply> {
    const requests = header.requests as GenerationRequest[];
    const { stop, ...settings } = header.sampling as SentSampling;
    const { weights, stopIds, tokenizer } = policy;
    const isOver = stopTest(tokenizer, stop);
    const all = { ...settings, stopIds, isOver };
    const [sent, pieces] = packCompletions(await policy.sampler.generate(weights, requests, all));
    return [{ ...sent }, pieces];
  }

  private async gradient(
    { gpu, gradients }: OpenPolicy,
    header: Header,
    bytes: Bytes,
  ): Promise<Reply> {
    const items = unpackItems(header.items as SentItems, bytes);
    const sums = await this.learning.gradient(items, Number(header.normalizer));
    const all = gradients.slabs.map(({ length }) => new Float32Array(length));
    await gpu.commands.read(gradients.slabs, all);
    if (header.dtype !== "f16") return [{ sums }, all.map(bytesOf)];
    const exponent = exponentOf(all);
    return [{ sums, exponent }, all.map((slab) => bytesOf(toHalves(slab, exponent)))];
  }

  private async update(policy: OpenPolicy, header: Header, bytes: Bytes): Promise<Reply> {
    const { gpu, gradients } = policy;
    const { exponent } = header;
    let at = bytes.byteOffset;
    for (const slab of gradients.slabs) {
      const { length } = slab;
      const values =
        typeof exponent === "number"
          ? fromHalves(new Float16Array(bytes.buffer, at, length), exponent)
          : new Float32Array(bytes.buffer, at, length);
      gpu.upload(slab, values);
      at += length * (typeof exponent === "number" ? 2 : 4);
    }
    const number = Number(header.updateNumber);
    const gradNorm = await this.learning.step(Number(header.learningRate), number);
    if (gradNorm === null) return [{ gradNorm }];
    this.updates = number;
    return [header.check ? { gradNorm, crc32: await this.checksum(policy) } : { gradNorm }];
  }

  /** Of the weights: whether workers that may round differently still agree. */
  private async checksum(policy: OpenPolicy): Promise<number> {
    let crc = 0;
    for await (const piece of encodeSafetensors(policy.weightSources())) crc = crc32(piece, crc);
    return crc;
  }

  private async state(policy: OpenPolicy): Promise<Reply> {
    const weights = await pieces(encodeSafetensors(policy.weightSources()));
    const moments = this.learner ? await pieces(encodeSafetensors(policy.momentSources())) : [];
    const split = weights.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return [{ split, updates: this.updates }, [...weights, ...moments]];
  }

  private async restore(policy: OpenPolicy, header: Header, bytes: Bytes): Promise<Reply> {
    const split = Number(header.split);
    const open = (part: Bytes, name: string) => openSafetensors(new Blob([part]), name);
    await policy.restore(
      await open(bytes.subarray(0, split), "the weights of another worker"),
      await open(bytes.subarray(split), "the moments of another worker"),
    );
    this.updates = Number(header.updates);
    return [{}];
  }

  private get learning(): Learner {
    if (!this.learner) throw new Error("the policy was opened to be asked, not to learn");
    return this.learner;
  }
}

type Bytes = Uint8Array<ArrayBuffer>;

async function pieces(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const piece of stream) all.push(piece.slice());
  return all;
}

/** Answers frames on standard input until it ends; standard output carries nothing else. */
export async function worker(): Promise<void> {
  const gpu = new Worker();
  const { stdin, stdout } = process;
  const write = (piece: Uint8Array) =>
    new Promise<void>((done, failed) =>
      stdout.write(piece, (error) => (error ? failed(error) : done())),
    );
  try {
    for await (const frame of decodeFrames(stdin)) {
      let reply: Reply;
      try {
        reply = await gpu.answer(frame);
      } catch (error) {
        reply = [{ error: (error as Error).message, ...kindOf(error) }];
      }
      for (const piece of encodeFrame(...reply)) await write(piece);
    }
  } catch (error) {
    // half a request, or a damaged one: whoever waits for the answer is told by the end of this process
    console.error((error as Error).message);
    process.exit(1);
  }
  // the driver is gone, and the GPU may be at work still
  process.exit(0);
}

/** What of an error the driver throws again as what it was. */
const kindOf = (error: unknown): Header =>
  error instanceof NotFiniteError
    ? { kind: "not finite", part: error.part }
    : { kind: error instanceof UserError ? "user" : "other" };
