import { NotFiniteError, UserError } from "../../lib/errors.ts";
import type { TuningTable } from "../kernels/variants.ts";
import type { RunAdapter } from "../opening/run-policy.ts";
import { adapterNotes, areMixed } from "./adapters.ts";
import { type Bridging, ClusterError, LostError } from "./bridge.ts";
import type { Frame, Header } from "./frames.ts";
import { freePlaces, type Node, type Place } from "./places.ts";
import type { Opening } from "./worker.ts";

/** A worker in service. */
interface Member extends Place {
  id: number;
  adapter: RunAdapter;
  /** Kinds of work that it has done. */
  done: Set<string>;
}

/** What one worker is asked; what it answers with stays in the cluster under `keep`, if that is given. */
export interface Request {
  op: string;
  header: Header;
  pieces?: readonly Uint8Array[];
  keep?: string;
}

export interface TeamOptions {
  /** How many workers there are to be; by the GPUs of the cluster if nothing is said. */
  workers: number | null;
  /** How the worker is started on a node. */
  command: readonly string[];
  /** What other nodes may lack of this machine's: the program where it is one file, the model, an adapter's base. */
  files: Partial<Record<"program" | "model" | "base", string>>;
  note: (text: string) => void;
  /** Seconds that an answer may take before anything is known of how long such answers take. */
  patience?: number;
}

/** Times that a place is tried again after a worker there could not be opened. */
const TRIES = 3;

/**
 * The workers of a run, all with the same weights. Work is given to whoever is free; that of a worker which dies,
 * or does not answer in five times the time that such work took before, goes to the others. A worker joins
 * between two pieces of work, with the state of one that is there: a lost one's place is filled again, and so is
 * that of a node which comes later.
 */
export class Team {
  private readonly members: Member[] = [];
  /** Opened, and not yet given the others' state. */
  private readonly ready: Member[] = [];
  private readonly starting = new Set<Place>();
  private readonly failures = new Map<string, number>();
  private readonly longest = new Map<string, number>();
  private started = 0;
  private lastLoss = "";
  private readonly said = new Set<string>();
  /** Updates that the weights have had: each request says so, and a worker that differs refuses. */
  updates = 0;

  private constructor(
    private readonly bridge: Pick<Bridging, "request">,
    private readonly opening: Opening,
    private readonly options: TeamOptions,
  ) {}

  /**
   * Opens a worker at every place of the cluster; the first one settles which kernels are used.
   * @throws UserError if a model or setting is refused there, there are fewer GPUs than workers asked for, or all are lost
   */
  static async open(
    bridge: Pick<Bridging, "request">,
    opening: Opening,
    options: TeamOptions,
  ): Promise<Team> {
    const team = new Team(bridge, opening, options);
    const places = freePlaces(await team.nodes(), [], options.workers);
    while (team.size === 0) {
      const place = places.shift();
      if (!place) throw team.nobody();
      await team.begin(place);
    }
    const { adapter, tuning } = team;
    opening.begun = { adapter, tuning };
    await Promise.all(places.map((place) => team.begin(place)));
    team.noteAdapters();
    return team;
  }

  get size(): number {
    return this.members.length;
  }

  /** Of the first worker. */
  get adapter(): RunAdapter {
    return this.members[0].adapter;
  }

  /** Whether workers compute on adapters that may round differently. */
  get isMixed(): boolean {
    return areMixed(this.members);
  }

  /** Says what is to be known of the workers' adapters together, each thing once. */
  private noteAdapters(): void {
    const notes = adapterNotes(this.members);
    for (const text of notes) if (!this.said.has(text)) this.options.note(text);
    for (const text of notes) this.said.add(text);
  }

  tuning: TuningTable = {};

  /** Lets those who wait join, and has places that are free filled in the background. */
  async admit(): Promise<void> {
    for (const member of this.ready.splice(0)) {
      this.members.push(member);
      await this.bring([member]);
      if (!this.members.includes(member)) continue;
      this.options.note(
        `worker ${member.id} joins after ${this.updates} updates: ${this.size} now`,
      );
      this.noteAdapters();
    }
    const taken = [...this.members, ...this.starting];
    for (const place of freePlaces(await this.nodes(), taken, this.options.workers, false)) {
      if ((this.failures.get(place.node) ?? 0) >= TRIES) continue;
      this.starting.add(place);
      void this.start(place)
        .then(
          (member) => this.ready.push(member),
          (error) => this.failed(place, error),
        )
        .finally(() => this.starting.delete(place));
    }
  }

  /** Starts a worker that the run begins with; one that is lost meanwhile has its place filled later. */
  private async begin(place: Place): Promise<void> {
    try {
      this.members.push(await this.start(place));
    } catch (error) {
      if (!(error instanceof LostError)) throw error;
      this.failed(place, error);
    }
  }

  private failed({ node }: Place, error: Error): void {
    this.lastLoss = error.message;
    this.failures.set(node, (this.failures.get(node) ?? 0) + 1);
    this.options.note(
      `a worker could not be started on node ${node.slice(0, 8)}: ${error.message}`,
    );
  }

  /**
   * The answers to these requests, in their order, each by whoever of these members is free.
   * @param among who is asked
   * @param heard is told of each answer as it comes
   */
  async share(
    requests: readonly Request[],
    among: readonly Member[] = this.members,
    heard: (i: number, answer: Frame) => void = () => {},
  ): Promise<Frame[]> {
    const answers: Frame[] = [];
    let left = requests.map((_, i) => i);
    while (left.length > 0) {
      const there = among.filter((member) => this.members.includes(member));
      if (there.length === 0) throw this.nobody();
      const serve = async (member: Member) => {
        for (let i = left.shift(); i !== undefined; i = left.shift()) {
          try {
            answers[i] = await this.ask(member, requests[i]);
          } catch (error) {
            left.push(i);
            return this.lose(member, error);
          }
          heard(i, answers[i]);
        }
      };
      await Promise.all(there.map(serve));
      left = left.sort((a, b) => a - b);
    }
    return answers;
  }

  /** Tells every worker the same, with what lies in the cluster under `give`; the answers of those that are left. */
  async tell(request: Request, give?: string): Promise<Frame[]> {
    const told = [...this.members].map((member) =>
      this.ask(member, request, give).catch((error) => this.lose(member, error)),
    );
    const answers = (await Promise.all(told)).filter((answer) => answer !== undefined);
    if (answers.length === 0) throw this.nobody();
    return answers;
  }

  /** Gives all workers but the first its state. */
  async equalize(): Promise<void> {
    await this.bring(this.members.slice(1));
  }

  private async bring(others: readonly Member[]): Promise<void> {
    if (others.length === 0 || (this.updates === 0 && !this.opening.learn)) return;
    const state = { op: "state", header: {}, keep: "state" };
    const [{ header }] = await this.share(
      [state],
      this.members.filter((member) => !others.includes(member)),
    );
    const { split } = header;
    const restore = { op: "restore", header: { split } };
    await Promise.all(
      others.map((member) =>
        this.ask(member, restore, "state").catch((error) => this.lose(member, error)),
      ),
    );
    await this.bridge.request("drop", { keys: ["state"] });
  }

  private async ask(member: Member, { op, header, pieces, keep }: Request, give?: string) {
    const { updates, bridge } = this;
    const { id } = member;
    const began = performance.now();
    const seconds = () => (performance.now() - began) / 1000;
    const { patience = 60 } = this.options;
    const look = () => {
      if (seconds() > this.limit(member, op)) this.kill(member);
    };
    const looking = setInterval(look, Math.min(1000, 100 * patience));
    try {
      const request = { op, updates, ...header };
      const frame = await bridge.request("call", { worker: id, request, keep, give }, pieces);
      const { error, kind, part } = frame.header;
      if (kind === "not finite") throw new NotFiniteError(part as NotFiniteError["part"]);
      if (kind === "user") throw new UserError(String(error));
      if (error) throw new Error(`worker ${id}: ${error}`);
      this.longest.set(op, Math.max(this.longest.get(op) ?? 0, seconds()));
      member.done.add(op);
      return frame;
    } finally {
      clearInterval(looking);
    }
  }

  /** Seconds that an answer may take: by what such answers took, of which others may have come meanwhile. */
  private limit({ done }: Member, op: string): number {
    const { patience = 60 } = this.options;
    const known = this.longest.get(op);
    // the first of its kind compiles kernels, and may read a model from a slow disk
    if (known === undefined) return 20 * patience;
    return Math.max(done.has(op) ? patience : 5 * patience, 5 * known);
  }

  private kill({ id }: Member): void {
    void this.bridge.request("kill", { worker: id }).catch(() => {});
  }

  /** Takes a worker that is gone out of service; throws any other error. */
  private lose(member: Member, error: unknown): void {
    if (!(error instanceof LostError)) throw error;
    const at = this.members.indexOf(member);
    if (at < 0) return;
    this.members.splice(at, 1);
    this.lastLoss = error.message;
    this.options.note(`worker ${member.id} is lost; ${this.size} go on with its work`);
    this.kill(member);
  }

  private nobody(): ClusterError {
    return new ClusterError(`every worker of the cluster was lost (${this.lastLoss})`);
  }

  private async start(place: Place): Promise<Member> {
    const { command, files, note, patience = 60 } = this.options;
    const id = this.started++;
    const { node, gpu, isHere } = place;
    const sent = isHere ? {} : files;
    const what = { worker: id, node, gpu, command, env: forWorkers(process.env), files: sent };
    const busy = `worker ${id} waits for its place on node ${node.slice(0, 8)}: another job of the cluster may have its GPU`;
    const waiting = setTimeout(() => note(busy), 1000 * patience);
    const where = await this.bridge.request("start", what).finally(() => clearTimeout(waiting));
    const adapter = { name: "", driver: "", kind: "" };
    const member = { ...place, id, adapter, done: new Set<string>() };
    const { program: _, ...at } = where.header.at as TeamOptions["files"];
    const opening = { ...this.opening, ...at };
    const { header } = await this.ask(member, { op: "open", header: { opening } });
    this.tuning = header.tuning as TuningTable;
    member.adapter = header.adapter as RunAdapter;
    note(`worker ${id}: ${member.adapter.name}`);
    return member;
  }

  private async nodes(): Promise<Node[]> {
    return (await this.bridge.request("nodes", {})).header.nodes as Node[];
  }
}

/** What of this process's environment is for workers: all that this program is told by it, but where Python is. */
const forWorkers = (env: NodeJS.ProcessEnv) =>
  Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => name.startsWith("RLEXPLORE_") && name !== "RLEXPLORE_PYTHON",
    ),
  );
