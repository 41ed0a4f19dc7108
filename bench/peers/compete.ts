import { SystemGpu } from "../../beyond/platform/gpu.ts";
import { type Dtype, hasHalves } from "../../beyond/storage/precision.ts";
import type { Bench } from "../harness.ts";
import type { Row } from "../tables.ts";
import { type Contestant, largestDifference, type Named, race, type Task } from "./contest.ts";
import { type Jax, jaxContestant, openJax } from "./jax.ts";
import { ourContestant } from "./ours.ts";
import { Torch } from "./torch.ts";

/**
 * Shows what each peer takes for each task, as a multiple of our time, and how far its numbers are from
 * ours. Peers that are not there are not measured.
 */
export async function compete(
  bench: Bench,
  title: string,
  choose: (dtype: Dtype, isSoftware: boolean) => Task[],
): Promise<void> {
  const gpu = await SystemGpu.open(bench.request);
  const torch = await Torch.open(gpu.isSoftware);
  try {
    const jax = await openJax(gpu.found);
    if (!jax) console.log("\njax-js is not installed: npm ci installs it");
    if (!torch) console.log("\nno Python with PyTorch: RLEXPLORE_PYTHON names one");
    for (const dtype of ["f32", "f16"] as const) {
      const rows: Row[] = [];
      for (const task of choose(dtype, gpu.isSoftware)) {
        if (dtype === "f32" || hasHalves(gpu)) rows.push(await taskRow(bench, task, jax, torch));
        else rows.push({ name: task.name, "rlexplore ms": null });
      }
      bench.show({ title: `${title}, ${dtype}${torch ? `; ${torch.about}` : ""}`, rows });
    }
  } finally {
    await torch?.close();
    gpu.destroy();
  }
}

async function taskRow(
  bench: Bench,
  task: Task,
  jax: Jax | null,
  torch: Torch | null,
): Promise<Row> {
  const gpu = await SystemGpu.open(bench.request);
  const contestants: Named<Contestant> = {
    rlexplore: ourContestant(gpu, task.ours(gpu, task.inputs)),
  };
  /** A peer that cannot do a task does not keep the others from it. */
  const enter = async (peer: string, contestant: Contestant) => {
    try {
      await contestant.run(1);
      contestants[peer] = contestant;
    } catch (error) {
      console.log(`\n${peer} cannot do "${task.name}" in ${task.dtype}: ${error}`);
      contestant.close();
    }
  };
  try {
    if (jax) await enter("jax-js", jaxContestant(jax, task, task.jax));
    if (torch) await enter("PyTorch", await torch.contestant(task));
    const names = Object.keys(contestants);
    const seconds = await race(Object.values(contestants));
    const row: Row = { name: task.name, "rlexplore ms": 1000 * seconds[0] };
    const results = await contestants.rlexplore.results();
    for (const peer of ["jax-js", "PyTorch"]) {
      const time = seconds[names.indexOf(peer)];
      row[`${peer} ms`] = time === undefined ? null : 1000 * time;
      row[`x ${peer}`] = time === undefined ? null : time / seconds[0];
      const there = await contestants[peer]?.results();
      row[`off ${peer}`] = there ? largestDifference(results, there) : null;
    }
    return row;
  } finally {
    for (const contestant of Object.values(contestants)) contestant.close();
  }
}
