/** Where in a cluster workers go. */
import { UserError } from "../../lib/errors.ts";

/** A machine of the cluster, as Ray has it. */
export interface Node {
  id: string;
  gpus: number;
  /** Whether the run's driver is on it. */
  isHere: boolean;
}

/** A place for one worker. */
export interface Place {
  node: string;
  /** Whether it takes a GPU of the node. */
  gpu: boolean;
  isHere: boolean;
}

/** Says which machines get no worker because others have GPUs by Ray's count; null where all get one. */
export function leftOut(nodes: readonly Node[]): string | null {
  const without = nodes.filter(({ gpus }) => gpus === 0).length;
  if (without === 0 || without === nodes.length) return null;
  return `${without} of ${nodes.length} machines have no GPU that Ray counts, and get no worker; --gpus-per-node 1 gives each one, or there: ray start --num-gpus 1`;
}

/**
 * Places without a worker: one for each GPU; in a cluster without any, one for each node. `workers` asks for
 * so many of them; without GPUs nodes then take turns.
 * @param isFirst whether it is an error that there are fewer
 */
export function freePlaces(
  nodes: readonly Node[],
  taken: readonly Place[],
  workers: number | null,
  isFirst = true,
): Place[] {
  const hasGpus = nodes.some(({ gpus }) => gpus > 0);
  const rounds = hasGpus
    ? Infinity
    : Math.ceil((workers ?? nodes.length) / Math.max(1, nodes.length));
  const room = nodes.map(({ id, gpus, isHere }) => {
    const places = hasGpus ? gpus : rounds;
    const used = taken.filter(({ node }) => node === id).length;
    return { node: id, isHere, left: Math.max(0, places - used) };
  });
  const total = hasGpus ? nodes.reduce((sum, { gpus }) => sum + gpus, 0) : Infinity;
  if (isFirst && workers !== null && workers > total) {
    throw new UserError(
      `--workers ${workers}: the cluster has ${total} GPUs; ask for no more, or leave it out`,
    );
  }
  const wanted = workers ?? (hasGpus ? total : nodes.length);
  const free: Place[] = [];
  while (free.length + taken.length < wanted && room.some(({ left }) => left > 0)) {
    for (const at of room) {
      if (at.left === 0 || free.length + taken.length >= wanted) continue;
      at.left--;
      free.push({ node: at.node, gpu: hasGpus, isHere: at.isHere });
    }
  }
  return free;
}
