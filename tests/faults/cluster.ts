/** What strikes a run on a cluster: everything in it that can die, stop, be damaged or be full, at random moments. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Subprocess } from "bun";
import type { Random } from "../../lib/random.ts";
import { finish, type Program } from "../executable/program.ts";
import type { Trial } from "./kills.ts";
import { descendants, RayCluster } from "./ray-cluster.ts";
import { differences, ShortRun } from "./short-run.ts";

const SHARDS = ["--gradient-shards", "3"];

/** What happens, and how often among twenty. */
const STRIKES = {
  "a worker is killed": 6,
  "a node is killed": 3,
  "the bridge is killed": 3,
  "the driver is killed": 3,
  "a worker is stopped": 1,
  "a message is damaged": 3,
  "the object store is filled": 1,
};
type Strike = keyof typeof STRIKES;
const TWENTY = Object.entries(STRIKES).flatMap(([name, n]) =>
  Array<Strike>(n).fill(name as Strike),
);
const PIPES = ["worker out", "worker in", "bridge in", "bridge out"];

/** A cluster, and what a run in it must come to. */
export class ClusterFaults {
  private constructor(
    private readonly program: Program,
    private readonly cluster: RayCluster,
    private readonly plan: string,
    private readonly result: Record<string, unknown>,
    private readonly seconds: number,
  ) {}

  static async open(program: Program): Promise<ClusterFaults> {
    // the run on one GPU is what all others must equal
    const alone = new ShortRun(program, "alone", SHARDS);
    const { code, stderr } = await alone.finish();
    if (code !== 0) throw new Error(stderr);
    const plan = program.path("damage");
    const cluster = await RayCluster.start({ store: 100, env: damaging(plan) });
    const open = (seconds: number) =>
      new ClusterFaults(program, cluster, plan, alone.result(), seconds);
    const began = performance.now();
    const faults = open(0);
    const wrong = await faults.goesOn(faults.run("shared"));
    if (wrong) throw new Error(`without a fault: ${wrong}`);
    return open((performance.now() - began) / 1000);
  }

  private run(name: string): ShortRun {
    return new ShortRun(this.program, name, SHARDS, () => ["--ray", this.cluster.address]);
  }

  /** One run that is struck once, and goes on if it ended early. */
  async struck(random: Random, n: number): Promise<Trial> {
    // 7 has no factor in common with 20: kinds take turns, and all come in twenty trials
    const strike = TWENTY[(7 * n) % TWENTY.length];
    const after = (0.02 + 0.96 * random.float()) * this.seconds;
    const run = this.run(`cluster-${n}`);
    const running = run.start([], damaging(this.plan));
    let happening = Promise.resolve("nothing");
    const timer = setTimeout(() => {
      happening = this.strike(strike, random, running);
    }, 1000 * after);
    const { code, stderr } = await finish(running);
    clearTimeout(timer);
    const planned = await happening;
    // a plan of damage is carried out by whoever passes bytes on next
    const isIdle = strike === "a message is damaged" && !existsSync(`${this.plan}.done`);
    const happened = isIdle ? "nothing" : planned;
    const what = `${strike} after ${after.toFixed(1)} s (${happened})`;
    const struck = happened !== "nothing";
    await this.mend(strike);
    const lines = stderr.trim().split("\n");
    const said = lines.filter((line) => /^rlexplore: /.test(line));
    const ended = code === 0 || running.signalCode !== null || (code === 2 && said.length === 1);
    if (!ended) return { what, struck, wrong: `exit code ${code}: ${stderr.slice(-600)}` };
    const how = code === 0 ? "to its end" : "and went on";
    const wrong = code === 0 ? this.differs(run) : await this.goesOn(run);
    return {
      what: `${what}, ${how}${said.length > 0 ? `, after: ${said[0]}` : ""}`,
      struck,
      wrong,
    };
  }

  private async strike(strike: Strike, random: Random, driver: Subprocess): Promise<string> {
    const { cluster } = this;
    if (strike === "the object store is filled") {
      await cluster.do("fill");
      return "filled";
    }
    if (strike === "a message is damaged") {
      const where = random.pick(PIPES);
      writeFileSync(this.plan, `${where} ${random.float()}`);
      return where;
    }
    const find = {
      "a worker is killed": () => cluster.workers(),
      "a worker is stopped": () => cluster.workers(),
      "a node is killed": () => cluster.secondNode(),
      "the bridge is killed": () =>
        descendants(driver.pid, (words) => /bridge\.py$/.test(words.at(-1) ?? "")),
      "the driver is killed": () => [driver.pid],
    }[strike];
    let found = find();
    // what is to be struck may only be about to begin
    while (found.length === 0 && driver.exitCode === null && driver.signalCode === null) {
      await Bun.sleep(200);
      found = find();
    }
    if (found.length === 0) return "nothing";
    const struck = random.pick(found);
    process.kill(struck, strike === "a worker is stopped" ? "SIGSTOP" : "SIGKILL");
    return `process ${struck}`;
  }

  private async mend(strike: Strike): Promise<void> {
    if (strike === "a node is killed") await this.cluster.do("node");
    if (strike === "the object store is filled") await this.cluster.do("empty");
    for (const file of [this.plan, `${this.plan}.done`]) {
      if (existsSync(file)) await Bun.file(file).delete();
    }
  }

  /** What is wrong with a run, once it went on to its end. */
  private async goesOn(run: ShortRun): Promise<string | null> {
    const { code, stderr } = await run.finish(damaging(this.plan));
    if (code !== 0) return `going on, exit code ${code}: ${stderr.slice(-600)}`;
    return this.differs(run);
  }

  private differs(run: ShortRun): string | null {
    const other = differences(run.result(), this.result);
    return other.length > 0 ? `differs in ${other.join(", ")}` : null;
  }

  close(): Promise<void> {
    return this.cluster.stop();
  }
}

/** Has every Python that is started with it look for a plan of damage. */
const damaging = (plan: string) => ({
  RLEXPLORE_DAMAGE: plan,
  PYTHONPATH: join(import.meta.dir, "damage"),
});
