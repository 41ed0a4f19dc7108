import { OpenPolicy } from "../beyond/opening/policy.ts";
import type { SystemGpu } from "../beyond/platform/gpu.ts";
import { PipelinedMemory } from "../beyond/scheduling/pipelined-memory.ts";
import { PipelinedSampler } from "../beyond/scheduling/pipelined-sampler.ts";
import type { ScheduledCommands } from "../beyond/scheduling/scheduled-commands.ts";
import { EMBEDDED } from "../beyond/settings/shared.ts";
import type { Guess, Guesses } from "../beyond/speculation/guesses.ts";
import { passRowsFor } from "../beyond/speculation/pass-rows.ts";
import { MostTokensASecond } from "../beyond/speculation/pass-times.ts";
import { SpeculativeSampler, type Tally } from "../beyond/speculation/speculative-sampler.ts";
import type { Completion } from "../lib/model/completion.ts";
import type { Decoder } from "../lib/model/decoder.ts";
import { Sampler } from "../lib/model/generate.ts";
import type { Row as SampledRow } from "../lib/model/row-state.ts";
import { Random } from "../lib/random.ts";
import type { Bench, Part } from "./harness.ts";
import { openBenchPolicy } from "./models.ts";
import { around, timed, timedTraining } from "./stopwatch.ts";
import { median, type Row } from "./tables.ts";
import { ifItFits, sampleTokens, someTokens } from "./throughput.ts";
import { stepArguments } from "./training.ts";

const BATCHES = [8, 32, 128];
/** Of a run that is measured: epochs of so many steps. */
const EPOCH = 6;
const EPOCHS = 3;
/** How often an oracle's guess of a token is right. */
const RIGHT = [0, 0.9];
/** Pairs of a model with drawn weights. */
const PAIRS = 2;

/** Rollouts of a run with guesses and without, by turns; both have to give the same. */
export const speculativeRunPart = (batch: number): Part => ({
  about: `rollouts that check guesses, in a run with ${batch} rows: passes saved, tokens a second`,
  run: (bench) => runOf(bench, batch),
});

/** The same of a model with drawn weights, of which nothing is learned: there guesses are as good as is said. */
export const speculativePart = (model: string): Part => ({
  about: `tokens sampled a second with guesses of a given quality, ${model}`,
  run: (bench) => oracleOf(bench, model),
});

/** What one epoch of training sampled. */
interface Epoch extends Tally {
  completions: number;
  pairs: Pair[];
}

/** Seconds with guesses and without, by the clock and of processors. */
interface Pair {
  seconds: number[];
  processor: number[];
  completions: Completion[][];
}

type Way = () => Promise<Completion[][]>;

/** Samples with guesses and without, which of them first by turns; both have to give the same. */
async function pairOf(turn: number, ways: readonly [Way, Way]): Promise<Pair> {
  const pair: Pair = { seconds: [], processor: [], completions: [] };
  const results: Completion[][][] = [];
  const first = turn % 2; // whoever is second finds the caches warm
  for (const i of [first, 1 - first]) {
    const before = process.cpuUsage();
    [pair.seconds[i], results[i]] = await timed(ways[i]);
    const { user, system } = process.cpuUsage(before);
    pair.processor[i] = (user + system) / 1e6;
  }
  if (JSON.stringify(results[0]) !== JSON.stringify(results[1])) {
    throw new Error("guesses changed completions");
  }
  return { ...pair, completions: results[0] };
}

/** How fast the pairs were, `tokens` tokens in all. */
function ratesOf(pairs: readonly Pair[], tokens: number) {
  const perPair = (i: 0 | 1) =>
    tokens / pairs.length / median(pairs.map(({ seconds }) => seconds[i]));
  const times = (of: "seconds" | "processor") =>
    median(pairs.map(({ [of]: [on, off] }) => off / on));
  return {
    "tokens/s": perPair(0),
    "without, tokens/s": perPair(1),
    "times as fast": times("seconds"),
    "processor time, times": times("processor"), // on a software adapter, and a busy machine, the better measure
  };
}

/** A run of the embedded model in which every step is sampled twice. */
async function runOf(bench: Bench, batch: number): Promise<void> {
  const epochs: Epoch[] = [];
  let step = 0;
  let plain: Sampler | undefined;
  const restore = [
    around(OpenPolicy, "open", async (open) => {
      const policy = (await open()) as OpenPolicy;
      const { decoder, memory } = partsOf(policy);
      const { scheduled, found } = policy.gpu;
      const own = new PipelinedMemory(policy.gpu, policy.model.config, {
        ...memory.sampler.sizes,
        passRows: batch,
        readEvery: policy.gpu.variants.readEvery,
      });
      const given = [policy.gpu, scheduled as ScheduledCommands, decoder, own] as const;
      plain = new PipelinedSampler(...given, undefined, found.lookSeconds);
      return policy;
    }),
    around(Sampler.prototype, "generate", async (generate, self, given) => {
      if (!(self instanceof SpeculativeSampler) || !plain) return generate();
      const before = { ...self.tally };
      const other = plain;
      const requested = given as Parameters<Sampler["generate"]>;
      const pair = await pairOf(step, [generate as Way, () => other.generate(...requested)]);
      const number = Math.floor(step++ / EPOCH);
      epochs[number] ??= {
        tokens: 0,
        passes: 0,
        checked: 0,
        right: 0,
        completions: 0,
        pairs: [],
      };
      const epoch = epochs[number];
      for (const key of ["tokens", "passes", "checked", "right"] as const) {
        epoch[key] += self.tally[key] - before[key];
      }
      epoch.completions += pair.completions.flat().length;
      epoch.pairs.push(pair);
      return pair.completions;
    }),
  ];
  const size = { prompts: 16, samples: 8, length: 32, steps: EPOCH * EPOCHS };
  const args = stepArguments(bench, EMBEDDED, size);
  args[args.indexOf("--sampling-batch-size") + 1] = `${batch}`;
  try {
    await timedTraining([...args, "--limit", `${EPOCH * size.prompts}`]);
  } finally {
    for (const undo of restore) undo();
  }
  const shown = epochs.map((epoch, i): Row => ({ name: `epoch ${i + 1}`, ...rowOf(epoch) }));
  bench.show({ title: `Rollouts of the embedded model in ${batch} rows, by epoch`, rows: shown });
}

function rowOf({ tokens, passes, checked, right, completions, pairs }: Epoch) {
  return {
    "tokens a pass": tokens / passes,
    "passes a completion": passes / completions,
    "without guesses": tokens / completions,
    "right of the checked %": checked > 0 ? (100 * right) / checked : "none checked",
    ...ratesOf(pairs, tokens),
  };
}

/** Models with drawn weights, whose guesses are right as often as is said. */
async function oracleOf(bench: Bench, model: string): Promise<void> {
  for (const batch of BATCHES) {
    const length = bench.isSoftware ? Math.max(5, Math.min(17, Math.round(132 / batch))) : 65;
    const rows = await ifItFits(() =>
      bench.withGpu((gpu) => pairedOracle(gpu, model, batch, length)),
    );
    const name = `${batch} rows`;
    const title = `Rollouts of ${model} in ${batch} rows, guesses right as often as is said`;
    bench.show({ title, rows: rows ?? [{ name, "tokens/s": null }] });
  }
}

async function pairedOracle(
  gpu: SystemGpu,
  model: string,
  batch: number,
  length: number,
): Promise<Row[]> {
  const sizes = { rows: batch, maxPromptTokens: 16, maxNewTokens: length };
  const samples = Math.min(8, batch);
  const policy = await openBenchPolicy(gpu, model, {
    sampling: { ...sizes, samplesPerPrompt: samples },
  });
  const { decoder, memory } = partsOf(policy);
  const { vocabSize } = policy.model.config;
  const passRows = passRowsFor(batch, gpu.variants.checkedTokens, vocabSize, gpu);
  const own = new PipelinedMemory(gpu, policy.model.config, {
    ...memory.sampler.sizes,
    passRows,
    readEvery: gpu.variants.readEvery,
  });
  const prompts = Array.from({ length: batch / samples }, (_, i) => someTokens(policy, 16, i));
  const sampled = async (by: OpenPolicy) => (await sampleTokens(by, prompts, samples, length))[1];
  await sampleTokens(policy, prompts, samples, 2); // compiles
  const truth = await sampled(policy);
  const rows: Row[] = [];
  const choice = new MostTokensASecond(passRows, gpu.variants.checkedTokens);
  for (const right of RIGHT) {
    const oracle = new Oracle(truth, right, vocabSize);
    const given = [gpu, gpu.scheduled as ScheduledCommands, decoder, own, oracle, choice] as const;
    const sampler = new SpeculativeSampler(...given, undefined, gpu.found.lookSeconds);
    const guessing = {
      ...policy,
      sampler,
      weights: policy.weights,
      model: policy.model,
    } as unknown as OpenPolicy;
    await sampled(guessing); // learns how long passes take
    const before = { ...sampler.tally };
    const pairs: Pair[] = [];
    for (let i = 0; i < PAIRS; i++) {
      pairs.push(await pairOf(i, [() => sampled(guessing), () => sampled(policy)]));
    }
    const tokens = sampler.tally.tokens - before.tokens;
    rows.push({
      name: `right ${100 * right} %`,
      "tokens a pass": tokens / (sampler.tally.passes - before.passes),
      ...ratesOf(pairs, tokens),
    });
  }
  return rows;
}

/** Knows what is going to be said, and says it as often as it is told. */
class Oracle implements Guesses {
  private readonly random = new Random(1);

  constructor(
    private readonly truth: readonly (readonly Completion[])[],
    private readonly right: number,
    private readonly vocabSize: number,
  ) {}

  begin() {
    return true;
  }
  learn() {}
  end() {}

  guess(rows: readonly SampledRow[], most: (row: SampledRow) => number): Guess[] {
    return rows.map((row) => {
      const { tokens } = this.truth[row.prompt.request.slot][row.sample];
      const at = row.completion.tokens.length;
      const next = tokens.slice(at, at + most(row));
      const said = next.map((token) =>
        this.random.float() < this.right ? token : (token + 1) % this.vocabSize,
      );
      return { tokens: said, chances: said.map((_, i) => this.right ** (i + 1)) };
    });
  }
}

const partsOf = (policy: OpenPolicy) =>
  policy as unknown as { decoder: Decoder; memory: { sampler: PipelinedMemory } };
