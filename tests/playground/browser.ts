import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { serve } from "../../beyond/playground/serve.ts";
import { buildPlayground } from "../../playground/build.ts";

/** Debian's; `@sparticuz/chromium`, with which reports are looked at, has no WebGPU. */
const CHROMIUM = "/usr/bin/chromium";
const FLAGS = ["--no-sandbox", "--enable-unsafe-webgpu", "--disable-dev-shm-usage"];

/** Why nothing can be shown here; null if it can. */
export const whyNoBrowser = existsSync(CHROMIUM) ? null : `${CHROMIUM} is not there`;

/** The playground, built and served, and a browser to look at it. */
export class Playground {
  private constructor(
    readonly folder: string,
    private readonly server: ReturnType<typeof serve>,
    private readonly browser: Browser,
  ) {}

  static async open(flags: readonly string[] = []): Promise<Playground> {
    const folder = mkdtempSync(join(tmpdir(), "rlexplore-playground-"));
    await buildPlayground(folder);
    const names = readdirSync(folder);
    const files = new Map(names.map((name) => [name, Bun.file(join(folder, name))]));
    const browser = await puppeteer.launch({
      executablePath: CHROMIUM,
      headless: true,
      args: [...FLAGS, ...flags],
      protocolTimeout: 300_000,
    });
    return new Playground(folder, serve(0, files), browser);
  }

  get url(): string {
    return `http://127.0.0.1:${this.server.port}/`;
  }

  /**
   * A page that collects what it complains about, and asks the network for.
   * @param script runs in it before its own
   */
  async look(script = ""): Promise<{ page: Page; errors: string[]; requests: string[] }> {
    const page = await this.browser.newPage();
    if (script) await page.evaluateOnNewDocument(script);
    const errors: string[] = [];
    const requests: string[] = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(this.url);
    return { page, errors, requests };
  }

  /** The browser's processes. */
  processes(): string[] {
    const parent = (pid: string) => {
      try {
        return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[1];
      } catch {
        return undefined; // it has ended
      }
    };
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    const family = new Set([String(this.browser.process()?.pid)]);
    for (let before = 0; before < family.size; ) {
      before = family.size;
      for (const pid of pids) if (family.has(String(parent(pid)))) family.add(pid);
    }
    return [...family];
  }

  /** What they have in memory together, pages that they share counted by each. */
  residentBytes(): number {
    return this.processes().reduce((sum, pid) => {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      const [, kilobytes = "0"] = /^VmRSS:\s*(\d+)/m.exec(status) ?? [];
      return sum + 1024 * Number(kilobytes);
    }, 0);
  }

  /** There is no network any more. */
  async goOffline(): Promise<void> {
    await this.server.stop();
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.goOffline();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Waits until an expression in the page is true. */
export const until = (page: Page, expression: string, seconds = 240) =>
  page.waitForFunction(expression, { timeout: 1000 * seconds, polling: 100 });
