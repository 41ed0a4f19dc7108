/** A cluster cut into lanes of one worker each: runs go on side by side, each as on one GPU. */
import type { Bridging } from "./bridge.ts";
import type { Frame, Header } from "./frames.ts";
import { freePlaces, type Node, type Place } from "./places.ts";

export class Lanes {
  private readonly taken = new Set<Place>();
  private lanes = 0;

  /** @param most lanes at a time; by the cluster's GPUs if nothing is said */
  constructor(
    private readonly bridge: Bridging,
    private readonly most: number | null,
  ) {}

  /** A lane on a place that is free, where there is one now: nodes come and go. */
  async free(): Promise<Lane | null> {
    const nodes = (await this.bridge.request("nodes", {})).header.nodes as Node[];
    const isFirst = this.lanes === 0;
    const [place] = freePlaces(nodes, [...this.taken], this.most, isFirst);
    if (!place) return null;
    this.taken.add(place);
    return new Lane(this.bridge, place, this.lanes++, () => this.taken.delete(place));
  }
}

/** What a run sees of the cluster: one place, and names of its own for what lies there. */
class Lane implements Bridging {
  private readonly workers = new Set<string>();

  constructor(
    private readonly bridge: Bridging,
    private readonly place: Place,
    private readonly number: number,
    private readonly leave: () => void,
  ) {}

  async request(op: string, header: Header, pieces?: readonly Uint8Array[]): Promise<Frame> {
    if (op === "init") return { header: {}, bytes: new Uint8Array(0) };
    if (op === "nodes") return this.node();
    const own = { ...header };
    for (const name of ["worker", "keep", "give", "into", "key"]) {
      if (own[name] !== undefined) own[name] = this.own(own[name]);
    }
    if (own.keys) own.keys = (own.keys as string[]).map((key) => this.own(key));
    if (op === "start") this.workers.add(String(own.worker));
    return this.bridge.request(op, own, pieces);
  }

  private own(name: unknown): string {
    return `${this.number}: ${name}`;
  }

  /** Its node alone, with this place. */
  private async node(): Promise<Frame> {
    const frame = await this.bridge.request("nodes", {});
    const { node, gpu } = this.place;
    const nodes = (frame.header.nodes as Node[])
      .filter(({ id }) => id === node)
      .map((one) => ({ ...one, gpus: gpu ? 1 : 0 }));
    return { ...frame, header: { nodes } };
  }

  /** Ends a run's workers; another run may have the lane. */
  close(): void {
    for (const worker of this.workers) {
      void this.bridge.request("kill", { worker }).catch(() => {});
    }
    this.workers.clear();
  }

  /** Gives the place back. */
  end(): void {
    this.close();
    this.leave();
  }
}
