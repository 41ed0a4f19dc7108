import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { SystemGpu } from "../beyond/platform/gpu.ts";
import { versions } from "../beyond/runs/versions.ts";
import { type Ceilings, measureCeilings } from "../beyond/tuning/measure.ts";
import { printSection, type Section } from "./tables.ts";

/** Something to measure that can be asked for by name. */
export interface Part {
  about: string;
  /** Whether it belongs to a run without arguments. */
  quick?: boolean;
  run(bench: Bench): Promise<void>;
}

/** A part's tables, when they were made, and how many processes wanted a core as it began. */
interface Measured {
  measured: string;
  load: number;
  sections: Section[];
}

type Adapter = Pick<SystemGpu["found"], "name" | "driver" | "kind">;

/** What the parts share: the adapter, its ceilings, and where the tables go. */
export class Bench {
  private measured: Ceilings | undefined;
  private readonly parts: Record<string, Measured> = {};
  private current: Section[] = [];

  private constructor(
    /** The adapter as the user asked for it, for parts that open it themselves. */
    readonly request: string | undefined,
    /** The models of the parts that measure end to end. */
    readonly models: readonly string[],
    private readonly about: { date: string; machine: string; versions: object; adapter: Adapter },
  ) {}

  static async open(request: string | undefined, models: readonly string[]): Promise<Bench> {
    const gpu = await SystemGpu.open(request);
    const { name, driver, kind } = gpu.found;
    gpu.destroy();
    const date = new Date().toISOString().slice(0, 10);
    const machine = `${cpus().length} x ${cpus()[0]?.model.trim()}`;
    const { rlexplore, bun, webgpu, platform } = versions();
    console.log(
      `rlexplore ${rlexplore}, bun ${bun}, webgpu ${webgpu}, ${platform}, ${machine}, ${date}\n${name}; ${driver}`,
    );
    const adapter = { name, driver, kind };
    return new Bench(request, models, { date, versions: versions(), machine, adapter });
  }

  get isSoftware(): boolean {
    return this.about.adapter.kind !== "hardware";
  }

  async runPart(name: string, part: Part): Promise<void> {
    this.current = [];
    const measured = new Date().toISOString();
    this.parts[name] = { measured, load: loadavg()[0], sections: this.current };
    await part.run(this);
  }

  /** Prints a table and keeps it for the results. */
  show(section: Section): void {
    printSection(section);
    this.current.push(section);
  }

  /** An open device for as long as `work` takes; what it allocates goes with it. */
  async withGpu<T>(work: (gpu: SystemGpu) => Promise<T>): Promise<T> {
    const gpu = await SystemGpu.open(this.request);
    try {
      return await work(gpu);
    } finally {
      gpu.destroy();
    }
  }

  /** The adapter's ceilings: the highest that any part has measured, as a busy machine lowers them. */
  async ceilings(gpu: SystemGpu): Promise<Ceilings> {
    const now = await measureCeilings(gpu);
    const before = this.measured ?? now;
    this.measured = {
      flops: Math.max(now.flops, before.flops),
      matrixFlops: now.matrixFlops && Math.max(now.matrixFlops, before.matrixFlops ?? 0),
      bandwidth: Math.max(now.bandwidth, before.bandwidth),
    };
    return this.measured;
  }

  /** Writes results/<date>-<adapter>.json; parts of the same day that were not run again stay in it. */
  writeResults(): string {
    const folder = join(import.meta.dir, "results");
    mkdirSync(folder, { recursive: true });
    const { date, adapter } = this.about;
    const slug = adapter.name.toLowerCase().match(/[a-z0-9]+/)?.[0];
    const path = join(folder, `${date}-${slug}.json`);
    const before = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).parts : {};
    const content = { ...this.about, parts: { ...before, ...this.parts } };
    writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`);
    return path;
  }
}
