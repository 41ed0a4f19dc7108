/**
 * Models and data sets of the Hugging Face hub, in the cache that the Python library `huggingface_hub` uses: what
 * either of the two has downloaded, both find. `HF_HOME`, `HF_HUB_CACHE`, `HF_ENDPOINT`, `HF_TOKEN`,
 * `HF_HUB_OFFLINE` and `HF_HUB_DOWNLOAD_TIMEOUT` are honoured.
 */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { copyFile, mkdir, open, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { datasetInfo, type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub";
import { fileBlob } from "#platform/files.ts";
import { UserError } from "../../lib/errors.ts";
import { diskError } from "../platform/files.ts";
import { limitedFetch, type RequestLimits } from "./request.ts";

/** Told of a download: bytes of a file that are there, and that there will be. */
export type OnDownload = (file: string, done: number, total: number) => void;

export type Environment = Record<string, string | undefined>;

/** "org/name", as on the hub. */
export const isHubName = (name: string) => /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(name);

/** Times that a broken download is taken up again before the user has to. */
const ATTEMPTS = 4;

/** Seconds without a byte after which a request is given up; HF_HUB_DOWNLOAD_TIMEOUT sets others. */
const PATIENCE = 30;

const KINDS = {
  model: { called: "model", path: "", check: "check --model", instead: "give a folder" },
  dataset: {
    called: "data set",
    path: "datasets/",
    check: "check its name",
    instead: "give a file",
  },
};

/** The files of a repository's newest version. */
export interface HubListing {
  commit: string;
  files: ListFileEntry[];
}

/** Where the hub is, and how it is asked. */
export function hubAccess(env: Environment) {
  const home = env.HF_HOME ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "huggingface");
  const tokenFile = env.HF_TOKEN_PATH ?? join(home, "token");
  const stored = existsSync(tokenFile) ? readFileSync(tokenFile, "utf8").trim() : undefined;
  const limits: RequestLimits = {
    endpoint: env.HF_ENDPOINT ?? "https://huggingface.co",
    token: env.HF_TOKEN ?? stored,
    patience: 1000 * (Number(env.HF_HUB_DOWNLOAD_TIMEOUT) || PATIENCE),
  };
  return { home, limits, offline: /^(1|true|yes|on)$/i.test(env.HF_HUB_OFFLINE ?? "") };
}

/** A model or data set of the hub, and its folder in the cache. */
export class HubRepo {
  private readonly endpoint: string;
  private readonly limits: RequestLimits;
  private readonly offline: boolean;
  private readonly cache: string;
  private readonly folder: string;

  constructor(
    private readonly kind: "model" | "dataset",
    readonly name: string,
    env: Environment = process.env,
  ) {
    const { home, limits, offline } = hubAccess(env);
    this.cache = env.HF_HUB_CACHE ?? env.HUGGINGFACE_HUB_CACHE ?? join(home, "hub");
    this.folder = join(this.cache, `${kind}s--${name.replace("/", "--")}`);
    this.offline = offline;
    this.endpoint = limits.endpoint;
    this.limits = limits;
  }

  /** The newest snapshot in the cache, whatever is in it. */
  cached(): string | null {
    const ref = join(this.folder, "refs", "main");
    if (!existsSync(ref)) return null;
    return join(this.folder, "snapshots", readFileSync(ref, "utf8").trim());
  }

  /** The files of the newest version on the hub. */
  async list(): Promise<HubListing> {
    const { called, instead } = KINDS[this.kind];
    if (this.offline) {
      throw new UserError(
        `${this.name} is not whole in ${this.cache} and HF_HUB_OFFLINE is set; unset it to download the ${called}, or ${instead}`,
      );
    }
    const common = { hubUrl: this.endpoint, fetch: limitedFetch(this.limits) };
    const asked = { name: this.name, ...common };
    try {
      const { sha } =
        this.kind === "model"
          ? await modelInfo({ ...asked, additionalFields: ["sha"] })
          : await datasetInfo({ ...asked, additionalFields: ["sha"] });
      if (!/^[0-9a-f]{40}$/.test(sha)) throw new Error(`the commit "${sha}" is none`);
      const repo = { type: this.kind, name: this.name };
      const files: ListFileEntry[] = [];
      for await (const file of listFiles({ repo, revision: sha, recursive: true, ...common })) {
        if (file.type === "file") files.push(file);
      }
      return { commit: sha, files };
    } catch (error) {
      throw this.explain(error);
    }
  }

  /** Downloads those of the files that are not there. */
  async download({ commit, files }: HubListing, onDownload: OnDownload): Promise<string> {
    const snapshot = join(this.folder, "snapshots", commit);
    const blobOf = (file: ListFileEntry) => join(this.folder, "blobs", checksumOf(file).name);
    try {
      await mkdir(join(this.folder, "blobs"), { recursive: true });
      await mkdir(join(this.folder, "refs"), { recursive: true });
      await mkdir(snapshot, { recursive: true });
      for (const file of files) {
        const blob = blobOf(file);
        if (!existsSync(blob)) await this.fetchBlob(commit, file, blob, onDownload);
      }
      // a snapshot shows files only when all that were asked for are there
      for (const file of files) await link(blobOf(file), join(snapshot, file.path), file.path);
      await writeFile(join(this.folder, "refs", "main"), commit);
    } catch (error) {
      throw diskError(error, this.folder);
    }
    return snapshot;
  }

  /** Downloads a file beside its place, from where an earlier try broke off, and checks it before it is used. */
  private async fetchBlob(
    commit: string,
    file: ListFileEntry,
    blob: string,
    onDownload: OnDownload,
  ): Promise<void> {
    const partial = `${blob}.incomplete`;
    const path = file.path.split("/").map(encodeURIComponent).join("/");
    const url = `${this.endpoint}/${KINDS[this.kind].path}${this.name}/resolve/${commit}/${path}`;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.append(url, partial, file, onDownload);
        break;
      } catch (error) {
        if (attempt === ATTEMPTS || error instanceof UserError) throw this.explain(error);
        if ((error as { syscall?: string }).syscall === "write") throw error;
        await sleep(200 * attempt);
      }
    }
    const hash = checksumOf(file).begin();
    for await (const piece of fileBlob(partial).stream()) hash.update(piece);
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
    const response = await limitedFetch(this.limits, file.size + 1)(url, { headers });
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

  /** What the user can do about a failed request. */
  private explain(error: unknown): unknown {
    if (error instanceof UserError) return error;
    const { statusCode, message } = error as { statusCode?: number; message: string };
    const at = `${this.name} at ${this.endpoint}`;
    const { called, check, instead } = KINDS[this.kind];
    if (statusCode === 404) return new UserError(`${at}: no such ${called}; ${check}`);
    if (statusCode === 401 || statusCode === 403) {
      return new UserError(
        `${at}: no such ${called}, or one that needs permission; ${check}, accept its licence on the hub and set HF_TOKEN`,
      );
    }
    const why = statusCode === undefined ? message : `the hub answered ${statusCode}`;
    return new UserError(
      `${at} cannot be downloaded (${why}); try again, which goes on where it broke off, or ${instead}`,
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
async function link(blob: string, path: string, within: string): Promise<void> {
  if (existsSync(path)) return;
  await rm(path, { force: true });
  await mkdir(dirname(path), { recursive: true });
  const up = within.split("/").map(() => "..");
  const target = join(...up, "..", "blobs", basename(blob));
  await symlink(target, path).catch(() => copyFile(blob, path));
}
