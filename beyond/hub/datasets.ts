/** Data sets of the Hugging Face hub. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { UserError } from "../../lib/errors.ts";
import type { DataSource } from "../datasets/rows.ts";
import { hasAllShards, type SplitChoice, splitFiles } from "../datasets/splits.ts";
import { type Environment, HubRepo, type OnDownload } from "./hub.ts";

const CARD = "README.md";

/**
 * The files of a split, downloaded if they are not in the cache. A split that is there whole is used as it is,
 * without asking the hub: a run that is continued finds what it began with.
 */
export async function hubDataset(
  name: string,
  choice: SplitChoice,
  onDownload: OnDownload,
  env?: Environment,
): Promise<DataSource> {
  const repo = new HubRepo("dataset", name, env);
  const called = `${name}/${choice.split}`;
  const cached = repo.cached();
  const there = cached && cachedFiles(name, cached, choice);
  if (there) return { name: called, files: there };
  const { commit, files } = await repo.list();
  const card = files.filter(({ path }) => path === CARD);
  const snapshot = await repo.download({ commit, files: card }, onDownload);
  const paths = files.map(({ path }) => path);
  const wanted = splitFiles(name, paths, readCard(snapshot), choice);
  const entries = files.filter(({ path }) => wanted.includes(path));
  await repo.download({ commit, files: entries }, onDownload);
  return { name: called, files: wanted.map((path) => join(snapshot, path)) };
}

/** The files of the split in a snapshot; null if some are not there. */
function cachedFiles(name: string, snapshot: string, choice: SplitChoice): string[] | null {
  if (!existsSync(snapshot)) return null;
  const paths = readdirSync(snapshot, { recursive: true, encoding: "utf8" })
    .filter((path) => existsSync(join(snapshot, path)))
    .map((path) => path.replaceAll(sep, "/"));
  try {
    const files = splitFiles(name, paths, readCard(snapshot), choice);
    return hasAllShards(files) ? files.map((path) => join(snapshot, path)) : null;
  } catch (error) {
    // what is missing in the cache may be on the hub
    if (error instanceof UserError) return null;
    throw error;
  }
}

const readCard = (snapshot: string) =>
  existsSync(join(snapshot, CARD)) ? readFileSync(join(snapshot, CARD), "utf8") : null;
