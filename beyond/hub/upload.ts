/** Models onto the Hugging Face hub. */
import { createRepo, uploadFiles } from "@huggingface/hub";
import { UserError } from "../../lib/errors.ts";
import { type Environment, hubAccess } from "./hub.ts";
import { limitedFetch, type RequestLimits } from "./request.ts";

/** The slowest line that is waited for: bytes of a request in a millisecond. */
const SLOWEST = 50;

export interface Upload {
  /** "org/name" */
  name: string;
  /** By their paths in the repository. */
  files: ReadonlyMap<string, Blob>;
  /** Of a repository that is not there yet. */
  visibility: "public" | "private";
  title: string;
}

export interface Uploaded {
  url: string;
  commit: string;
  /** Null for a repository that was there already, and stays what it is. */
  visibility: Upload["visibility"] | null;
  /** Files that stay as they are on the hub. */
  kept: string[];
}

/**
 * Makes the repository if there is none, and adds the files in one commit.
 * @param keep a file that is there already and says something else is left as it is
 */
export async function upload(
  { name, files, visibility, title }: Upload,
  keep: string,
  env: Environment = process.env,
): Promise<Uploaded> {
  const { limits, offline } = hubAccess(env);
  const { endpoint, token } = limits;
  if (offline) throw new UserError("HF_HUB_OFFLINE is set: unset it for --push");
  if (!token) {
    throw new UserError(
      `--push needs a token that may write: set HF_TOKEN, or log in with \`hf auth login\` (${endpoint}/settings/tokens)`,
    );
  }
  const common = {
    hubUrl: endpoint,
    fetch: patientFetch(limits),
    repo: { type: "model", name } as const,
  };
  try {
    // the library asks for a token of a certain form; that of the fetch is the one that is sent
    const made = await createRepo({ ...common, visibility, accessToken: "hf_" }).catch(unlessThere);
    const sent = new Map(files);
    const mine = sent.get(keep);
    const theirs =
      made || !mine ? null : await textAt(`${endpoint}/${name}/resolve/main/${keep}`, limits);
    const kept = theirs !== null && theirs !== (await mine?.text()) ? [keep] : [];
    for (const path of kept) sent.delete(path);
    const done = await uploadFiles({
      ...common,
      files: Array.from(sent, ([path, content]) => ({ path, content })),
      commitTitle: title,
      useXet: false,
    });
    if (!done) throw new Error("it told of no commit");
    const url = `${endpoint}/${name}`;
    return { url, commit: done.commit.oid, visibility: made ? visibility : null, kept };
  } catch (error) {
    throw explained(error, name, endpoint);
  }
}

/** A fetch that waits for an answer as long as what it sends may take. */
const patientFetch = (limits: RequestLimits) =>
  ((input: string | URL | Request, init: RequestInit = {}) => {
    const { body } = init;
    const bytes = body instanceof Blob ? body.size : typeof body === "string" ? body.length : 0;
    return limitedFetch({ ...limits, patience: limits.patience + bytes / SLOWEST })(input, init);
  }) as typeof fetch;

/** The repository is there already: nothing was made. */
function unlessThere(error: unknown): null {
  if (statusOf(error) === 409) return null;
  throw error;
}

async function textAt(url: string, limits: RequestLimits): Promise<string | null> {
  const response = await limitedFetch(limits)(url);
  if (response.ok) return response.text();
  await response.body?.cancel();
  if (response.status === 404) return null;
  throw Object.assign(new Error(), { statusCode: response.status });
}

const statusOf = (error: unknown) => (error as { statusCode?: number }).statusCode;

/** What the user can do about it. */
function explained(error: unknown, name: string, endpoint: string): unknown {
  if (error instanceof UserError) return error;
  const at = `${name} at ${endpoint}`;
  switch (statusOf(error)) {
    case 401:
      return new UserError(
        `${at}: the token is not accepted; set HF_TOKEN to one of ${endpoint}/settings/tokens`,
      );
    case 403:
      return new UserError(
        `${at}: the token may not write there; give it write permission, or --push to another name`,
      );
    case 404:
      return new UserError(`${at}: there is no such user or organisation; check --push`);
    case 409:
    case 412:
      return new UserError(`${at} was changed by someone else meanwhile; try again`);
  }
  const { message } = error as Error;
  const why = statusOf(error) === undefined ? message : `the hub answered ${statusOf(error)}`;
  return new UserError(
    `${at}: the upload failed (${why}); try again: files that arrived are not sent twice`,
  );
}
