/** What workers' adapters mean for each other. */
import type { RunAdapter } from "../opening/run-policy.ts";

/** A worker's adapter and the machine that it is in. */
interface At {
  node: string;
  adapter: RunAdapter;
}

/** Whether some may round differently than others. */
export function areMixed(workers: readonly At[]): boolean {
  const kinds = workers.map(({ adapter }) => `${adapter.name}\n${adapter.driver}`);
  return new Set(kinds).size > 1;
}

/** What is to be said of them together. */
export function adapterNotes(workers: readonly At[]): string[] {
  const real = workers.filter(({ adapter }) => adapter.kind === "hardware");
  const places = real.map(({ node, adapter }) => `${adapter.name} on node ${node.slice(0, 8)}`);
  const twice = new Set(places.filter((place, i) => places.indexOf(place) < i));
  const notes = Array.from(
    twice,
    (place) =>
      `several workers have ${place}, and it may be one for all of them: WebGPU tells none of one name from another`,
  );
  if (areMixed(workers)) {
    notes.push(
      "the workers' adapters may round differently: they are kept equal, and the bits are not those of one machine",
    );
  }
  return notes;
}
