import { setTimeout as sleep } from "node:timers/promises";
import { Bridge, type Bridging, ClusterError } from "../cluster/bridge.ts";
import { type ClusterSettings, joinCluster } from "../cluster/cluster-policy.ts";
import { Lanes } from "../cluster/lanes.ts";
import type { Progress } from "../terminal/progress.ts";
import type { PlannedRun } from "./experiment.ts";

/** Makes what a run lacks, in a lane of a cluster or on this machine's GPU. */
export type CarryOut = (run: PlannedRun, signal?: AbortSignal, lane?: Bridging) => Promise<void>;

/** Times that a run is taken up again after its worker was lost. */
const TRIES = 3;

/** Seconds after which it is seen whether the cluster has a new machine. */
const LOOK = 10;

/**
 * Carries out the runs over a cluster, each in a lane of its own, begun in their order. A run that loses its worker goes
 * on in the next lane that is free; what else ends a run has the others stop as Ctrl-C would.
 */
export async function sideBySide(
  settings: ClusterSettings,
  runs: readonly PlannedRun[],
  carryOut: CarryOut,
  progress: Progress,
  signal?: AbortSignal,
): Promise<void> {
  const bridge = await joinCluster(settings, Bridge.open(), (text) => progress.note(text));
  const lanes = new Lanes(bridge, settings.workers);
  const stopping = new AbortController();
  const stop = AbortSignal.any([stopping.signal, ...(signal ? [signal] : [])]);
  const left = [...runs];
  const losses = new Map<PlannedRun, number>();
  const going = new Set<Promise<void>>();
  const failed: unknown[] = [];
  const lost = (run: PlannedRun, error: unknown) => {
    const times = (losses.get(run) ?? 0) + 1;
    losses.set(run, times);
    if (!(error instanceof ClusterError) || times > TRIES) {
      failed.push(error);
      stopping.abort();
      return;
    }
    progress.note(`${run.name} lost its worker, and goes on in another place: ${error.message}`);
    left.unshift(run);
  };
  try {
    while (going.size > 0 || (left.length > 0 && !stop.aborted)) {
      const lane = left.length > 0 && !stop.aborted ? await lanes.free() : null;
      const run = lane && left.shift();
      if (!run) {
        if (going.size === 0) throw new ClusterError("no machine of the cluster is left");
        await Promise.race([...going, sleep(1000 * LOOK, undefined, { ref: false })]);
        continue;
      }
      const one = carryOut(run, stop, lane)
        .catch((error) => lost(run, error))
        .finally(() => {
          lane.end();
          going.delete(one);
        });
      going.add(one);
    }
    if (failed.length > 0) throw failed[0];
  } finally {
    bridge.close();
  }
}
