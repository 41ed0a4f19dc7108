import { RunFolder } from "../beyond/runs/folder.ts";
import {
  busySeconds,
  idleShare,
  type Profile,
  type ProfileDetail,
} from "../beyond/scheduling/profile.ts";
import { ScheduledCommands } from "../beyond/scheduling/scheduled-commands.ts";
import { EMBEDDED } from "../beyond/settings/shared.ts";
import type { Bench, Part } from "./harness.ts";
import { shortName } from "./models.ts";
import { around, timedTraining } from "./stopwatch.ts";
import { median, type Row } from "./tables.ts";
import { ALWAYS_LEARN, stepArguments, stepSize } from "./training.ts";

/** What the command stream of a training run did after its first two steps, which compile. */
interface Stream {
  profile: Profile;
  steps: number;
  /** Microseconds of the host for a dispatch of decoding, on its first time and replayed. */
  recorded: number[];
  replayed: number[];
}

async function timedStream(bench: Bench, model: string, detail: ProfileDetail): Promise<Stream> {
  const size = stepSize(model, bench.isSoftware);
  const [recorded, replayed]: number[][] = [[], []];
  let commands: ScheduledCommands | undefined;
  let profile: Promise<Profile> | undefined;
  const timeEach = (name: "record" | "replay", into: number[]) =>
    around(ScheduledCommands.prototype, name, (call, self, [given]) => {
      commands = self as ScheduledCommands;
      const began = performance.now();
      const result = call();
      const passed = 1000 * (performance.now() - began);
      const { kernels } = (name === "record" ? result : given) as { kernels: unknown[] };
      into.push(passed / kernels.length);
      return result;
    });
  const restore = [
    timeEach("record", recorded),
    timeEach("replay", replayed),
    around(ScheduledCommands.prototype, "readProfile", (read) => {
      profile = read() as Promise<Profile>;
      return profile.then(() => undefined); // not to be printed as well
    }),
    around(RunFolder.prototype, "appendMetrics", (append, _, [metrics]) => {
      if ((metrics as { step: number }).step === 2) commands?.startProfile(detail);
      append();
    }),
  ];
  try {
    const args = stepArguments(bench, model, size);
    if (model === EMBEDDED) await timedTraining(args);
    else await timedTraining([...args, ...ALWAYS_LEARN], { fixedLength: true });
  } finally {
    for (const undo of restore) undo();
  }
  return {
    profile: await (profile as Promise<Profile>),
    steps: size.steps - 2,
    recorded,
    replayed,
  };
}

/** A row for each kernel of each stage, longest first. */
function kernelRows({ profile, steps }: Stream): Row[] {
  return [...profile.stages].flatMap(([stage, { kernels }]) => {
    const longest = [...kernels].sort(([, a], [, b]) => b.seconds - a.seconds);
    const all = longest.reduce((sum, [, { seconds }]) => sum + seconds, 0);
    return longest.map(([kernel, { seconds, calls }]) => ({
      name: `${stage}: ${kernel}`,
      "ms a step": (1000 * seconds) / steps,
      "% of stage": (100 * seconds) / all,
      "calls a step": calls / steps,
      "us each": (1e6 * seconds) / calls,
    }));
  });
}

export const streamPart: Part = {
  about:
    "the GPU's time by kernel in a training step, how long it idles, and what a dispatch costs the host",
  quick: true,
  async run(bench) {
    const idle: Row[] = [];
    const host: Row[] = [];
    for (const model of bench.models) {
      const name = shortName(model);
      const byKernel = await timedStream(bench, model, "kernels");
      bench.show({ title: `GPU time by kernel, ${name}`, rows: kernelRows(byKernel) });
      const { profile, steps, recorded, replayed } = await timedStream(bench, model, "passes");
      for (const [stage, times] of profile.stages) {
        idle.push({
          name: `${name}, ${stage}`,
          "busy ms a step": (1000 * busySeconds(times)) / steps,
          "idle ms a step": (1000 * times.idle.seconds) / steps,
          "idle %": 100 * idleShare(times),
          "pauses a step": times.idle.calls / steps,
        });
      }
      const late = (values: number[]) => median(values.slice(values.length >> 1));
      host.push({ name, recorded: late(recorded), replayed: late(replayed) });
    }
    bench.show({ title: "How long the GPU idles in a training step", rows: idle });
    bench.show({ title: "Host microseconds for a dispatch of a decoding step", rows: host });
  },
};
