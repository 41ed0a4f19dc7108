/**
 * What a runtime must give. Bun, Deno and the browser have a folder each, whose files have the same names and give the
 * same things; `#platform/gpu.ts` is the one of the runtime at work (`imports` in package.json). Nothing outside these
 * folders asks where it runs, or uses what only one runtime has. Where Bun and Deno both speak Node, one file in
 * `node/` serves both; a browser has those files only that something in a page takes in.
 */

/** Whose WebGPU: Dawn's addon for Node, or the runtime's own `navigator.gpu`. */
export const GPU_BACKENDS = ["dawn", "native"] as const;
export type GpuBackend = (typeof GPU_BACKENDS)[number];

export type AdapterKind = "hardware" | "system-software" | "embedded-software";

/** A GPU, or software that acts as one. `adapter` gives one device only: ask again for a second. */
export interface FoundAdapter {
  gpu: GPU;
  adapter: GPUAdapter;
  backend: GpuBackend;
  kind: AdapterKind;
  /** The name its driver gives it, such as `SwiftShader Device (Subzero)`. */
  name: string;
  /** Backend and driver version, such as `vulkan, SwiftShader driver 5.0.0`. */
  driver: string;
  /** Seconds that pass here, when the GPU is done, until the host knows it. */
  lookSeconds: number;
  /** One line for the user: which adapter this is and why it was taken. */
  why: string;
  /** Whether the user named it. */
  isAsked?: boolean;
}

/** `gpu.ts` */
export interface GpuPlatform {
  /**
   * Finds the adapter to compute on, the best there is if none is requested.
   * @param request part of its name, driver, backend or kind, in any case
   * @throws UserError when no adapter fits, or when the runtime has no such backend
   */
  findAdapter(request?: string, backend?: GpuBackend): Promise<FoundAdapter>;
  /** Awaits work of the GPU, leaving the processor to those who need it. */
  awaitGpu<T>(work: Promise<T>): Promise<T>;
}

/** `files.ts` */
export interface FilePlatform {
  /** A file that is there: read when its bytes are asked for, and only those. */
  fileBlob(path: string): Blob;
}

/** `assets.ts`: what is inside the program. */
export interface AssetPlatform {
  /** A file of the embedded model, such as `config.json`; null for one that it has not. */
  modelFile(name: string): Blob | null;
}

/** A thread that answers messages, one at a time. While none is asked it does not keep the program from ending. */
export interface Thread {
  /** Fails if the thread does, or is ended before it answers. */
  ask(message: unknown): Promise<unknown>;
  terminate(): void;
}

/** `thread.ts` */
export interface ThreadPlatform {
  /** Starts the thread that judges answers: `beyond/answers/worker.ts`. */
  startJudge(): Promise<Thread>;
  /** Called in a thread: what it answers. What `answer` throws fails the `ask`. */
  // biome-ignore lint/suspicious/noExplicitAny: what the one who asks sends
  answerWith(answer: (message: any) => unknown): void;
}

/** `watchdog.ts` */
export interface WatchdogPlatform {
  /** Runs `work`, which reads `what` a stranger made, for as long as that is reasonable. */
  watched<T>(what: string, work: () => T): T;
}

/** `modules.ts`, in Bun and Deno */
export interface ModulePlatform {
  /** Has the user's own code find a module by a name that is in no package. */
  provideModule(name: string, load: () => Promise<object>): void;
}

export interface Server {
  readonly port: number;
  /** Ends it, and whatever it still sends. */
  stop(): Promise<void>;
}

/** `server.ts`, in Bun and Deno */
export interface ServerPlatform {
  /**
   * Answers HTTP requests on 127.0.0.1, for as long as they take.
   * @param port 0 for any that is free
   * @throws an error with the code EADDRINUSE when the port is taken
   */
  serveLocally(port: number, answer: Answer): Server;
}

/** @param port of the server */
export type Answer = (request: Request, port: number) => Response | Promise<Response>;

export interface Hash {
  update(data: string | Uint8Array): Hash;
  /** In hexadecimal. */
  digest(): string;
}

/** `hash.ts` */
export interface HashPlatform {
  sha256(): Hash;
}

/** `process.ts` */
export interface ProcessPlatform {
  readonly runtime: {
    /** Such as `bun` and `1.4.5`. */
    readonly name: string;
    readonly version: string;
    /** What starts a program that is given as source. */
    readonly starter: string;
  };
  /** What permission an error says was not given, in words for the user; null for other errors. */
  missingPermission(error: unknown): string | null;
  /** Tells the code of each failure of the standard output, such as `EPIPE`, which then ends nothing. */
  onOutputError(failed: (code: string) => void): void;
}

/** A function of a native library: what it takes and gives. */
export interface NativeFunction {
  args: readonly ("ptr" | "cstring" | "int")[];
  returns: "ptr" | "int" | "void";
}

export type NativeLibrary<Name extends string> = Record<
  Name,
  (...given: (Uint8Array | number)[]) => number
>;

/** `native.ts`, in Bun and Deno: native code, to which a browser has no way. */
export interface NativePlatform {
  /** The module `dawn.node` for this system; null where there is none. */
  loadDawn(): unknown;
  /** Loads a library for as long as the process lives. */
  openLibrary<Name extends string>(
    path: string,
    functions: Record<Name, NativeFunction>,
  ): NativeLibrary<Name>;
  /** The archive of the embedded Vulkan driver; null where there is none. */
  swiftShaderArchive(): Promise<Blob | null>;
  /** Direct3D's shader compilers, on Windows. */
  direct3DCompilers(): Promise<{ name: string; content: Blob }[]>;
}
