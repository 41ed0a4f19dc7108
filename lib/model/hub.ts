/**
 * Models of the Hugging Face hub, in the cache that the Python library `huggingface_hub` uses: what either of the
 * two has downloaded, both find. `HF_HOME`, `HF_HUB_CACHE`, `HF_ENDPOINT`, `HF_TOKEN` and `HF_HUB_OFFLINE` are honoured.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { copyFile, mkdir, open, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub";
import { UserError } from "../errors.ts";
import { diskError } from "../files.ts";
import { MODEL_FILES, type Wanted, WEIGHTS } from "./folder.ts";

/** Told of a download: bytes of a file that are there, and that there will be. */
export type OnDownload = (file: string, done: number, total: number) => void;

type Environment = Record<string, string | undefined>;

/** "org/name", as on the hub. */
export const isHubName = (name: string) => /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(name);

/** Times that a broken download is taken up again before the user has to. */
const ATTEMPTS = 4;
const INDEX = `${WEIGHTS}.index.json`;

/**
 * The folder of a hub model in the cache, downloaded if it is not there. A model that is there whole is used as
 * it is, without asking the hub: a run that is continued finds what it began with.
 */
export async function hubModel(
  name: string,
  onDownload: OnDownload,
  { weights = true }: Pick<Wanted, "weights"> = {},
  env: Environment = process.env,
): Promise<string> {
  const home = env.HF_HOME ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "huggingface");
  const cache = env.HF_HUB_CACHE ?? env.HUGGINGFACE_HUB_CACHE ?? join(home, "hub");
  const folder = join(cache, `models--${name.replace("/", "--")}`);
  const cached = cachedSnapshot(folder, weights);
  if (cached) return cached;
  if (/^(1|true|yes|on)$/i.test(env.HF_HUB_OFFLINE ?? "")) {
    throw new UserError(
      `${name} is not whole in ${cache} and HF_HUB_OFFLINE is set; unset it to download the model, or give a folder`,
    );
  }
  const tokenFile = env.HF_TOKEN_PATH ?? join(home, "token");
  const stored = existsSync(tokenFile) ? readFileSync(tokenFile, "utf8").trim() : undefined;
  const hub = new Hub(name, env.HF_ENDPOINT ?? "https://huggingface.co", env.HF_TOKEN ?? stored);
  return hub.download(folder, onDownload, weights);
}

/** The newest snapshot in the cache, if every file of the model that is wanted is there. */
function cachedSnapshot(folder: string, weights: boolean): string | null {
  const ref = join(folder, "refs", "main");
  if (!existsSync(ref)) return null;
  const snapshot = join(folder, "snapshots", readFileSync(ref, "utf8").trim());
  const has = (name: string) => existsSync(join(snapshot, name));
  if (!has("config.json") || !has("tokenizer.json")) return null;
  if (!weights || has(WEIGHTS)) return snapshot;
  if (!has(INDEX)) return null;
  try {
    const { weight_map } = JSON.parse(readFileSync(join(snapshot, INDEX), "utf8"));
    return Object.values(weight_map).every((shard) => has(String(shard))) ? snapshot : null;
  } catch {
    return null;
  }
}

class Hub {
  constructor(
    private readonly name: string,
    private readonly endpoint: string,
    private readonly token: string | undefined,
  ) {}

  async download(folder: string, onDownload: OnDownload, weights: boolean): Promise<string> {
    const { commit, files } = await this.list();
    const snapshot = join(folder, "snapshots", commit);
    try {
      await mkdir(join(folder, "blobs"), { recursive: true });
      await mkdir(join(folder, "refs"), { recursive: true });
      await mkdir(snapshot, { recursive: true });
      for (const file of files) {
        if (!weights && !MODEL_FILES.includes(file.path)) continue;
        const blob = join(folder, "blobs", checksumOf(file).name);
        if (!existsSync(blob)) await this.fetchBlob(commit, file, blob, onDownload);
        await link(blob, join(snapshot, file.path));
      }
      await writeFile(join(folder, "refs", "main"), commit);
    } catch (error) {
      throw diskError(error, folder);
    }
    return snapshot;
  }

  /** The files of the model's newest version that are wanted: whole weights rather than shards. */
  private async list(): Promise<{ commit: string; files: ListFileEntry[] }> {
    const common = { hubUrl: this.endpoint, fetch: this.fetch };
    try {
      const { sha } = await modelInfo({ name: this.name, additionalFields: ["sha"], ...common });
      if (!/^[0-9a-f]{40}$/.test(sha)) throw new Error(`the commit "${sha}" is none`);
      const all: ListFileEntry[] = [];
      for await (const file of listFiles({ repo: this.name, revision: sha, ...common })) {
        all.push(file);
      }
      const whole = all.some(({ path }) => path === WEIGHTS);
      const weights = whole
        ? /^model\.safetensors$/
        : /^model(-\d+-of-\d+)?\.safetensors(\.index\.json)?$/;
      const files = all.filter(({ path }) => MODEL_FILES.includes(path) || weights.test(path));
      return { commit: sha, files };
    } catch (error) {
      throw this.explain(error);
    }
  }

  /** Downloads a file beside its place, from where an earlier try broke off, and checks it before it is used. */
  private async fetchBlob(
    commit: string,
    file: ListFileEntry,
    blob: string,
    onDownload: OnDownload,
  ): Promise<void> {
    const partial = `${blob}.incomplete`;
    const url = `${this.endpoint}/${this.name}/resolve/${commit}/${file.path}`;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.append(url, partial, file, onDownload);
        break;
      } catch (error) {
        if (attempt === ATTEMPTS || error instanceof UserError) throw this.explain(error);
        if ((error as { syscall?: string }).syscall === "write") throw error;
        await Bun.sleep(200 * attempt);
      }
    }
    const hash = checksumOf(file).begin();
    for await (const piece of Bun.file(partial).stream()) hash.update(piece);
    if (hash.digest("hex") !== checksumOf(file).name) {
      await rm(partial);
      throw new UserError(`${this.name}: ${file.path} arrived damaged and was deleted; try again`);
    }
    await rename(partial, blob);
  }

  private async append(url: string, path: string, file: ListFileEntry, onDownload: OnDownload) {
    let done = existsSync(path) ? (await stat(path)).size : 0;
    if (done > file.size) done = 0;
    if (done === file.size && done > 0) return;
    const headers: Record<string, string> = done > 0 ? { Range: `bytes=${done}-` } : {};
    const response = await this.fetch(url, { headers });
    if (!response.ok) throw Object.assign(new Error(), { statusCode: response.status });
    // a server that knows no ranges sends everything again
    if (response.status !== 206) done = 0;
    const out = await open(path, done > 0 ? "r+" : "w");
    try {
      for await (const piece of response.body ?? []) {
        if (done + piece.length > file.size) throw new Error("more bytes than the file has");
        await out.write(piece, 0, piece.length, done);
        done += piece.length;
        onDownload(file.path, done, file.size);
      }
      await out.sync();
    } finally {
      await out.close();
    }
    if (done < file.size) throw new Error(`${done} of ${file.size} bytes came`);
  }

  private readonly fetch = ((input: string | URL | Request, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    if (this.token) headers.set("Authorization", `Bearer ${this.token}`);
    return fetch(input, { ...init, headers });
  }) as typeof fetch;

  /** What the user can do about a failed request. */
  private explain(error: unknown): unknown {
    if (error instanceof UserError) return error;
    const { statusCode, message } = error as { statusCode?: number; message: string };
    const at = `${this.name} at ${this.endpoint}`;
    if (statusCode === 404) return new UserError(`${at}: no such model; check --model`);
    if (statusCode === 401 || statusCode === 403) {
      return new UserError(
        `${at}: no such model, or one that needs permission; check --model, accept its licence on the hub and set HF_TOKEN`,
      );
    }
    const why = statusCode === undefined ? message : `the hub answered ${statusCode}`;
    return new UserError(
      `${at} cannot be downloaded (${why}); try again, which goes on where it broke off, or give a folder`,
    );
  }
}

/** A file's name in the cache is its checksum: SHA-256 of a large file, Git's SHA-1 of a small one. */
function checksumOf({ path, size, oid, lfs }: ListFileEntry) {
  const name = lfs?.oid ?? oid ?? "";
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(name)) throw new Error(`${path} has no checksum`);
  const begin = () =>
    name.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
  return { name, begin };
}

/** A relative link, as the Python library makes; a copy where the system allows no links. */
async function link(blob: string, path: string): Promise<void> {
  if (existsSync(path)) return;
  await rm(path, { force: true });
  const target = join("..", "..", "blobs", blob.slice(dirname(blob).length + 1));
  await symlink(target, path).catch(() => copyFile(blob, path));
}
