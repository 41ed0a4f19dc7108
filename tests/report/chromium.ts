import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";

/** What a page is looked at as. */
export interface Viewing {
  width?: number;
  height?: number;
  dark?: boolean;
}

type Params = Record<string, unknown>;

/** A headless Chromium, driven by the Chrome DevTools Protocol. */
export class Chromium {
  private calls = 0;
  private readonly answers = new Map<number, (message: Message) => void>();
  private readonly listeners = new Set<(message: Message) => void>();

  private constructor(
    private readonly process: ReturnType<typeof Bun.spawn>,
    private readonly socket: WebSocket,
    private readonly profile: string,
  ) {
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data)) as Message;
      if (message.id !== undefined) this.answers.get(message.id)?.(message);
      else for (const listener of this.listeners) listener(message);
    };
  }

  /** Starts the Chromium of `@sparticuz/chromium`, or Debian's; null and the reason if neither runs. */
  static async start(): Promise<Chromium | string> {
    let reason = "there is no Chromium";
    for (const binary of [unpacked(), "/usr/bin/chromium"]) {
      if (typeof binary !== "string" || !existsSync(binary)) continue;
      const profile = mkdtempSync(join(tmpdir(), "rlexplore-chromium-profile-"));
      const flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--remote-debugging-port=0",
        `--user-data-dir=${profile}`,
        "about:blank",
      ];
      const process = Bun.spawn([binary, ...flags], { stdout: "ignore", stderr: "pipe" });
      const address = await addressOf(process.stderr);
      if (address) {
        const socket = new WebSocket(address);
        await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
        return new Chromium(process, socket, profile);
      }
      process.kill(9);
      rmSync(profile, { recursive: true, force: true });
      reason = `${binary} does not start`;
    }
    return reason;
  }

  async stop() {
    this.socket.close();
    this.process.kill(9);
    await this.process.exited;
    rmSync(this.profile, { recursive: true, force: true });
  }

  /** Opens a page and waits until it is loaded. */
  async open(
    url: string,
    { width = 1200, height = 900, dark = false }: Viewing = {},
  ): Promise<Page> {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true });
    const call = (method: string, params?: Params) => this.call(method, params, String(sessionId));
    const page = new Page(call, () => this.call("Target.closeTarget", { targetId }));
    const listener = (message: Message) => {
      if (message.sessionId === sessionId) page.hear(message);
    };
    this.listeners.add(listener);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await call(`${domain}.enable`);
    await call("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: false,
    });
    const features = [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }];
    await call("Emulation.setEmulatedMedia", { features });
    await call("Page.navigate", { url });
    await page.loaded;
    return page;
  }

  // biome-ignore lint/suspicious/noExplicitAny: the protocol's answers have many shapes
  private call(method: string, params: Params = {}, sessionId?: string): Promise<any> {
    const id = ++this.calls;
    this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve, reject) => {
      this.answers.set(id, ({ result, error }) => {
        this.answers.delete(id);
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result);
      });
    });
  }
}

interface Message {
  id?: number;
  sessionId?: string;
  method?: string;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  params?: any;
  result?: unknown;
  error?: { message: string };
}

/** An open page, with what it complained about and what it asked the network for. */
export class Page {
  readonly errors: string[] = [];
  readonly requests: string[] = [];
  readonly loaded: Promise<void>;
  private onLoaded = () => {};

  constructor(
    // biome-ignore lint/suspicious/noExplicitAny: as above
    private readonly call: (method: string, params?: Params) => Promise<any>,
    readonly close: () => Promise<unknown>,
  ) {
    this.loaded = new Promise((resolve) => {
      this.onLoaded = resolve;
    });
  }

  hear({ method, params }: Message) {
    if (method === "Page.loadEventFired") this.onLoaded();
    if (method === "Network.requestWillBeSent") this.requests.push(params.request.url);
    if (method === "Runtime.exceptionThrown") {
      this.errors.push(
        params.exceptionDetails.exception?.description ?? params.exceptionDetails.text,
      );
    }
    if (method === "Log.entryAdded" && params.entry.level === "error") {
      this.errors.push(`${params.entry.text} ${params.entry.url ?? ""}`);
    }
    if (method === "Runtime.consoleAPICalled" && params.type === "error") {
      this.errors.push(params.args.map((arg: { value: unknown }) => arg.value).join(" "));
    }
  }

  /** The value of a JavaScript expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const given = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", given);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description);
    return result.value;
  }

  /** The whole page as a PNG. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.call("Page.captureScreenshot", { captureBeyondViewport: true });
    return Buffer.from(data, "base64");
  }

  /** The page as it is printed. */
  async pdf(): Promise<Buffer> {
    const { data } = await this.call("Page.printToPDF", { preferCSSPageSize: true });
    return Buffer.from(data, "base64");
  }
}

/** The path of the package's Chromium, unpacked once a machine; null where there is none. */
function unpacked(): string | null {
  try {
    const require = createRequire(import.meta.url);
    const root = join(dirname(require.resolve("@sparticuz/chromium")), "..");
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const folder = join(tmpdir(), `rlexplore-chromium-${version}`);
    const binary = join(folder, "chromium");
    if (!existsSync(binary)) {
      mkdirSync(folder, { recursive: true });
      const partial = `${binary}.${process.pid}`;
      const packed = readFileSync(join(root, "bin", "chromium.br"));
      writeFileSync(partial, brotliDecompressSync(packed), { mode: 0o755 });
      renameSync(partial, binary);
    }
    return binary;
  } catch {
    return null;
  }
}

/** The address it says it listens on; null if it ends, or says nothing for ten seconds. */
async function addressOf(stderr: ReadableStream<Uint8Array>): Promise<string | null> {
  const late = Bun.sleep(10_000).then(() => null);
  let text = "";
  const reader = stderr.getReader();
  for (;;) {
    const next = await Promise.race([reader.read(), late]);
    if (next === null || next.done) return null;
    text += new TextDecoder().decode(next.value);
    const address = text.match(/listening on (ws:\S+)/);
    if (address) return address[1];
  }
}
