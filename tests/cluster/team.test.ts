import { describe, expect, test } from "bun:test";
import type { Frame, Header } from "../../beyond/cluster/frames.ts";
import { Team } from "../../beyond/cluster/team.ts";
import type { Opening } from "../../beyond/cluster/worker.ts";
import { ClusterHere, type Fate } from "./here.ts";

/** Workers that only remember: what they answer tells who they are. */
class Remembering {
  updates = 0;
  constructor(private readonly id: number) {}

  async answer({ header }: Frame): Promise<[Header]> {
    const { op } = header;
    if (op === "restore") this.updates = Number(header.updates);
    if (op === "update") this.updates = Number(header.to);
    const adapter = { name: "made up", driver: "1", kind: "software" };
    return [{ by: this.id, had: this.updates, adapter, tuning: {}, split: 0 }];
  }
}

const opening = { learn: {} } as unknown as Opening;

async function teamOf(
  nodes: number,
  fate?: (worker: number, op: string) => Fate,
  { patience = 60, workers = null as number | null } = {},
) {
  const notes: string[] = [];
  const made: Remembering[] = [];
  const cluster = new ClusterHere(nodes, fate, (id) => {
    made[id] = new Remembering(id);
    return made[id];
  });
  const options = {
    workers,
    command: [],
    files: {},
    patience,
    note: (text: string) => void notes.push(text),
  };
  return { team: await Team.open(cluster, opening, options), cluster, notes, made };
}

const requests = (count: number) =>
  Array.from({ length: count }, () => ({ op: "work", header: {} }));
const by = (answers: Frame[]) => answers.map(({ header }) => header.by);
/** Lets what goes on in the background end. */
const settled = () => Bun.sleep(5);

describe("a team", () => {
  test("shares requests among all, and has the answers in order", async () => {
    const { team } = await teamOf(3);
    const answers = await team.share(requests(7));
    expect(answers.length).toBe(7);
    expect(new Set(by(answers))).toEqual(new Set([0, 1, 2]));
  });

  test.each(["dies before", "dies after"] as const)(
    "gives the work of a worker that %s to the others",
    async (fate) => {
      const { team, notes } = await teamOf(3, (id, op) =>
        id === 1 && op === "work" ? fate : "well",
      );
      const answers = await team.share(requests(6));
      expect(answers.length).toBe(6);
      expect(new Set(by(answers))).toEqual(new Set([0, 2]));
      expect(team.size).toBe(2);
      expect(notes).toContain("worker 1 is lost; 2 go on with its work");
    },
  );

  test("waits for one that hangs no longer than such work took", async () => {
    const fate = (id: number, op: string): Fate => (id === 1 && op === "work" ? "hangs" : "well");
    const { team } = await teamOf(2, fate, { patience: 0.01 });
    expect(by(await team.share(requests(3)))).toEqual([0, 0, 0]);
  });

  test("fills the place of a lost worker, with the state of another, between two pieces of work", async () => {
    let mortal = true;
    const { team, notes, made } = await teamOf(2, (id, op) =>
      mortal && id === 0 && op === "work" ? "dies before" : "well",
    );
    await team.tell({ op: "update", header: { to: 3 } });
    team.updates = 3;
    await team.share(requests(2));
    mortal = false;
    await team.admit();
    await settled();
    expect(team.size).toBe(1);
    await team.admit();
    expect(team.size).toBe(2);
    expect(made[2].updates).toBe(3);
    expect(notes).toContain("worker 2 joins after 3 updates: 2 now");
  });

  test("takes in a node that comes later, and gives up on one where nothing starts", async () => {
    const { team, cluster, notes } = await teamOf(1, (id, op) =>
      id > 1 && op === "open" ? "dies before" : "well",
    );
    cluster.nodes.push({ id: "later", gpus: 0, isHere: false });
    for (let i = 0; i < 2; i++) {
      await team.admit();
      await settled();
    }
    expect(team.size).toBe(2);
    cluster.nodes.push({ id: "bad", gpus: 0, isHere: false });
    for (let i = 0; i < 6; i++) {
      await team.admit();
      await settled();
    }
    expect(team.size).toBe(2);
    expect(notes.filter((text) => text.includes("could not be started")).length).toBe(3);
  });

  test("says that all are lost, and what goes on from there", async () => {
    const { team } = await teamOf(2, (_, op) => (op === "work" ? "dies before" : "well"));
    const lost =
      "every worker of the cluster was lost (its process died); a run goes on from its last checkpoint with --resume";
    await expect(team.share(requests(3))).rejects.toThrow(lost);
  });

  test("passes on what a worker refuses", async () => {
    const { team, made } = await teamOf(1);
    made[0].answer = async () => {
      throw new RangeError("no room");
    };
    await expect(team.share(requests(1))).rejects.toThrow("worker 0: no room");
  });
});
