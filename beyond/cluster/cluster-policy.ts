/** A policy that lies on the GPUs of a Ray cluster: `train --ray`, `eval --ray`, `sample-base --ray`. */
import { UserError } from "../../lib/errors.ts";
import { type LossSums, newLossSums } from "../../lib/explore/loss.ts";
import type { Item, Learner } from "../../lib/learn.ts";
import type {
  Completion,
  GenerationRequest,
  GenerationSettings,
} from "../../lib/model/completion.ts";
import type { Weights } from "../../lib/model/parameters.ts";
import type { TuningTable } from "../kernels/variants.ts";
import type { LoraModel } from "../lora/peft.ts";
import { endTokens } from "../models/end-tokens.ts";
import {
  type AnyTensorSource,
  encodeSafetensors,
  openSafetensors,
  type StoredTensor,
  type TensorSource,
} from "../models/safetensors.ts";
import type { Tokenizer } from "../models/tokenizer.ts";
import { tokenizerOf } from "../opening/named-model.ts";
import { loraBase } from "../opening/policy.ts";
import type { RunAdapter, RunPolicy } from "../opening/run-policy.ts";
import { Bridge, type Bridging, ClusterError, LostError } from "./bridge.ts";
import { type GradientDtype, sumExponent } from "./halves.ts";
import { leftOut, type Node } from "./places.ts";
import { addSums, cutShards } from "./shards.ts";
import { Team, type TeamOptions } from "./team.ts";
import { packItems, type SentCompletions, unpackCompletions } from "./wire.ts";
import type { Opening, SentSampling } from "./worker.ts";

/** What a cluster is opened for. */
export interface ClusterNeeds extends Opening {
  /** Stop texts of sampling. */
  stop: readonly string[];
}

export interface ClusterSettings {
  /** The cluster's address, `auto`, or `local` for one on this machine. */
  ray: string;
  workers: number | null;
  /** GPUs of each machine; as Ray counts them if nothing is said. */
  gpusPerNode: number | null;
}

/**
 * Connects the bridge, and notes which machines are left out.
 * @throws UserError if there is no such cluster
 */
export async function joinCluster(
  { ray, gpusPerNode }: Omit<ClusterSettings, "workers">,
  bridge: Bridging,
  note: (text: string) => void,
): Promise<Bridging> {
  try {
    const { header } = await bridge.request("init", { address: ray, gpusPerNode });
    const text = leftOut((header.nodes as Node[] | undefined) ?? []);
    if (text) note(text);
    return bridge;
  } catch (error) {
    bridge.close();
    const why = error instanceof ClusterError ? error.what : (error as Error).message;
    // it is Ray that finds none there
    const instead =
      ray !== "local" && why.startsWith("Ray: ") ? "; ray start --head begins a cluster" : "";
    throw new UserError(`--ray ${ray}: ${why}${instead}`);
  }
}

export class ClusterPolicy implements RunPolicy {
  readonly tokenizer: Tokenizer;
  readonly stopIds: ReadonlySet<number>;
  /** With the workers: only the sampler is given it, which asks them. */
  readonly weights = {} as Weights;
  readonly sampler = {
    generate: (_: Weights, requests: readonly GenerationRequest[], settings: GenerationSettings) =>
      this.generate(requests, settings),
  };

  /** Of the gradient that the next update is along, in f16. */
  private sumExponent: number | undefined;

  private constructor(
    private readonly bridge: Bridging,
    private readonly team: Team,
    private readonly model: LoraModel,
    private readonly needs: ClusterNeeds,
  ) {
    this.tokenizer = tokenizerOf(model);
    this.stopIds = new Set(endTokens(model, this.tokenizer).ids);
  }

  /** @throws UserError if there is no Ray, no such cluster, or the model cannot be opened on it */
  static async open(
    { workers, ...where }: ClusterSettings,
    model: LoraModel,
    needs: ClusterNeeds,
    options: Omit<TeamOptions, "workers">,
    bridge: Bridging = Bridge.open(),
  ): Promise<ClusterPolicy> {
    await joinCluster(where, bridge, options.note);
    try {
      const { stop: _, ...opening } = needs;
      const team = await Team.open(bridge, opening, { ...options, workers });
      const { size } = team;
      options.note(
        `${size === 1 ? "one worker on Ray has" : `${size} workers on Ray share`} every step`,
      );
      return new ClusterPolicy(bridge, team, model, needs);
    } catch (error) {
      bridge.close();
      throw error;
    }
  }

  get adapter(): RunAdapter {
    return this.team.adapter;
  }
  get tuning(): TuningTable {
    return this.team.tuning;
  }
  get lora(): RunPolicy["lora"] {
    return loraBase(this.model, this.needs.needs.learning?.lora);
  }

  private async generate(
    requests: readonly GenerationRequest[],
    { stopIds: _, isOver, seed, ...settings }: GenerationSettings,
  ): Promise<Completion[][]> {
    const { team, needs } = this;
    await team.admit();
    const sampling: SentSampling = {
      ...settings,
      seed: [...seed],
      stop: isOver ? [...needs.stop] : [],
    };
    const parts = Math.min(team.size, requests.length);
    const cut = Array.from({ length: parts }, (_, i) =>
      requests.slice((i * requests.length) / parts, ((i + 1) * requests.length) / parts),
    );
    const asked = cut.map((some) => {
      const plain = some.map(({ prompt, ...rest }) => ({ ...rest, prompt: Array.from(prompt) }));
      return { op: "sample", header: { requests: plain, sampling } };
    });
    const answers = await team.share(asked);
    return answers.flatMap(({ header, bytes }) =>
      unpackCompletions(header as unknown as SentCompletions, bytes),
    );
  }

  learner({ gradientShards, gradientDtype }: Parameters<RunPolicy["learner"]>[0]): Learner {
    return {
      gradient: (items, normalizer) =>
        this.gradient(items, normalizer, gradientShards, gradientDtype),
      step: (learningRate, updateNumber) => this.step(learningRate, updateNumber),
    };
  }

  /** Has the shards' gradients made by whoever is free, and summed in the cluster in their order. */
  private async gradient(
    items: readonly Item[],
    normalizer: number,
    shards: number,
    dtype: GradientDtype,
  ): Promise<LossSums> {
    const cut = cutShards(items, shards).filter((some) => some.length > 0);
    const keys = (cut.length > 0 ? cut : [[]]).map((_, i) => `gradient ${i}`);
    const requests = keys.map((keep, i) => {
      const [sent, pieces] = packItems(cut[i] ?? []);
      return { op: "gradient", header: { items: sent, normalizer, dtype }, pieces, keep };
    });
    for (;;) {
      const sum = new RunningSum(this.bridge, keys);
      try {
        const answers = await this.team.share(requests, undefined, (i, { header }) =>
          sum.add(i, header.exponent as number | undefined),
        );
        this.sumExponent = await sum.done();
        const sums = newLossSums();
        for (const { header } of answers) addSums(sums, header.sums as LossSums);
        return sums;
      } catch (error) {
        await this.bridge.request("drop", { keys: [...keys, "sum"] });
        // a node that goes takes the gradients made on it along; its workers are found to be gone by the next request
        if (!(error instanceof LostError)) throw error;
      }
    }
  }

  private async step(learningRate: number, updateNumber: number): Promise<number | null> {
    const { team } = this;
    const check = team.isMixed;
    const header = { learningRate, updateNumber, check, exponent: this.sumExponent };
    const answers = await team.tell({ op: "update", header }, "sum");
    const norm = answers[0].header.gradNorm as number | null;
    if (norm === null) return null;
    team.updates = updateNumber;
    if (answers.some((answer) => answer.header.crc32 !== answers[0].header.crc32))
      await team.equalize();
    return norm;
  }

  /** As one worker holds it. */
  async sources() {
    const [{ header, bytes }] = await this.team.share([{ op: "state", header: {} }]);
    const split = Number(header.split);
    const open = async (part: Uint8Array<ArrayBuffer>) =>
      Array.from(await openSafetensors(new Blob([part]), "the state of a worker"), sourceOf);
    return {
      weights: (await open(bytes.subarray(0, split))) as TensorSource[],
      moments: await open(bytes.subarray(split)),
    };
  }

  async restore(
    weights: Map<string, StoredTensor>,
    moments: Map<string, StoredTensor>,
    updates: number,
  ): Promise<void> {
    const pieces: Uint8Array[] = [];
    let split = 0;
    for (const tensors of [weights, moments]) {
      split = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
      for await (const piece of encodeSafetensors(Array.from(tensors, sourceOf)))
        pieces.push(piece);
    }
    await this.bridge.request("store", { into: "state" }, pieces);
    this.team.updates = updates;
    await this.team.tell({ op: "restore", header: { split } }, "state");
    await this.bridge.request("drop", { keys: ["state"] });
  }

  async close(): Promise<void> {
    this.bridge.close();
  }
}

/** The gradients of shards, added in order as they come, while others are still being made. */
class RunningSum {
  private readonly there = new Map<number, number | undefined>();
  private added = 0;
  private adding: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly bridge: Bridging,
    private readonly keys: readonly string[],
  ) {}

  /** Shard i is there, in f16 scaled by this power of two. */
  add(i: number, exponent?: number): void {
    const { keys, there } = this;
    there.set(i, exponent);
    for (; there.has(this.added); this.added++) {
      const n = this.added;
      const isLast = n === keys.length - 1;
      const given = { exponent: there.get(n), sumExponent: isLast ? this.exponent : undefined };
      const header = { key: keys[n], into: "sum", isFirst: n === 0, isLast, ...given };
      this.adding = this.adding.then(() => this.bridge.request("add", header));
      // what went wrong is told by done()
      this.adding.catch(() => {});
    }
  }

  /** Waits for the whole sum; its exponent, in f16. */
  async done(): Promise<number | undefined> {
    await this.adding;
    return this.exponent;
  }

  private get exponent(): number | undefined {
    const all = [...this.there.values()].filter((exponent) => exponent !== undefined);
    return all.length > 0 ? sumExponent(all) : undefined;
  }
}

/** A tensor that was read, to be written again. */
const sourceOf = ([name, { shape, dtype, bytes }]: [string, StoredTensor]): AnyTensorSource =>
  dtype === "U8"
    ? { name, shape, dtype, data: async () => new Uint8Array(await bytes.arrayBuffer()) }
    : { name, shape, data: async () => new Float32Array(await bytes.arrayBuffer()) };
