/**
 * Which files of a hub data set are a split: what the YAML at the top of its README says, else its files' names, as
 * the Python library `datasets` goes by (huggingface.co/docs/datasets/repository_structure).
 */
import { matchesGlob } from "node:path";
import { parse } from "yaml";
import { UserError } from "../../lib/errors.ts";

export interface SplitChoice {
  split: string;
  /** The subset, as the hub's pages call it, or configuration; null for the default one. */
  subset: string | null;
}

/** Splits by name, with the files of each; the names in the order in which they are to be told. */
type Splits = Map<string, string[]>;

interface Config {
  config_name: string;
  data_files?: unknown;
  data_dir?: string;
  default?: boolean;
}

const READABLE = /\.(?:parquet|jsonl?|csv|tsv)(?:\.gz)?$/i;
const SHARDED = /^(.*\/)?([\w.]+)-\d{5}-of-\d{5}[^/]*$/;
/** What a folder or file is called that holds a split: the word between separators. */
const WORDS: [split: string, words: RegExp][] = [
  ["train", /(?:^|[-._ 0-9])(?:train|training)(?:[-._ 0-9]|$)/],
  ["validation", /(?:^|[-._ 0-9])(?:validation|valid|dev|val)(?:[-._ 0-9]|$)/],
  ["test", /(?:^|[-._ 0-9])(?:test|testing|eval|evaluation)(?:[-._ 0-9]|$)/],
];

/**
 * The files of a split, in order.
 * @param paths all files of the repository
 * @param card its README.md, if it has one
 * @throws UserError that lists the subsets or splits there are
 */
export function splitFiles(
  name: string,
  paths: readonly string[],
  card: string | null,
  { split, subset }: SplitChoice,
): string[] {
  const config = chosenConfig(name, configsOf(card), subset);
  const all = paths.filter((path) => !path.split("/").some((part) => /^(?:\.|__)/.test(part)));
  const splits = config?.data_files
    ? declared(all, config)
    : byName(all.filter((path) => path.startsWith(config?.data_dir ?? "") && READABLE.test(path)));
  if ([...splits.values()].every((files) => files.length === 0)) {
    throw new UserError(`${name} has no JSON, CSV or Parquet files; give a file`);
  }
  const files = splits.get(split) ?? [];
  if (files.length === 0) {
    const others = [...splits.keys()].join(", ");
    throw new UserError(`${name} has no split ${split}; choose with --split: ${others}`);
  }
  const strange = files.find((path) => !READABLE.test(path));
  if (strange) throw new UserError(`${name}: ${strange} is neither JSON, CSV nor Parquet`);
  return files.toSorted();
}

/** Are all shards there, of each file that is one of several? */
export function hasAllShards(files: readonly string[]): boolean {
  const there = new Set(files.map((file) => file.replace(/-of-(\d{5}).*$/, "-of-$1")));
  return files.every((file) => {
    const [, before, count] = /^(.*)-\d{5}-of-(\d{5})/.exec(file) ?? [];
    return Array.from({ length: Number(count ?? 0) }).every((_, i) =>
      there.has(`${before}-${String(i).padStart(5, "0")}-of-${count}`),
    );
  });
}

function configsOf(card: string | null): Config[] {
  const yaml = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card ?? "")?.[1];
  if (!yaml) return [];
  try {
    const { configs } = parse(yaml) as { configs?: Config[] };
    return Array.isArray(configs) ? configs.filter((config) => config?.config_name) : [];
  } catch {
    // a card that cannot be read says nothing; the files' names remain
    return [];
  }
}

function chosenConfig(name: string, configs: Config[], subset: string | null): Config | null {
  const names = configs.map(({ config_name }) => config_name).join(", ");
  if (subset !== null) {
    const found = configs.find(({ config_name }) => config_name === subset);
    if (found) return found;
    const fix = names ? `choose with --subset: ${names}` : "leave --subset out";
    throw new UserError(`${name} has no subset ${subset}; ${fix}`);
  }
  if (configs.length <= 1) return configs[0] ?? null;
  const usual = configs.find((config) => config.default || config.config_name === "default");
  if (usual) return usual;
  throw new UserError(`${name} has several subsets; choose with --subset: ${names}`);
}

/** What `data_files` says: a pattern, several, or several with the split of each. */
function declared(paths: string[], { data_files, data_dir = "" }: Config): Splits {
  const entries: unknown[] = Array.isArray(data_files) ? data_files : [data_files];
  const splits: Splits = new Map();
  for (const entry of entries) {
    const { split, path } =
      typeof entry === "string"
        ? { split: "train", path: entry }
        : (entry as { split: string; path: string | string[] });
    for (const pattern of [path].flat()) {
      const glob = data_dir ? `${data_dir.replace(/\/$/, "")}/${pattern}` : pattern;
      const matching = paths.filter((file) => file === pattern || matchesGlob(file, glob));
      splits.set(split, [...(splits.get(split) ?? []), ...matching]);
    }
  }
  return splits;
}

/** By `data/train-00000-of-00002.parquet`, else by words in folders' names, else in files' names, else all train. */
function byName(paths: string[]): Splits {
  const sharded = paths.filter((path) => /^data\//.test(path) && SHARDED.test(path));
  if (sharded.length > 0) return Map.groupBy(sharded, (path) => SHARDED.exec(path)?.[2] ?? "");
  const folders = (path: string) => path.split("/").slice(0, -1);
  const file = (path: string) => path.split("/").slice(-1);
  for (const parts of [folders, file]) {
    const found = WORDS.map(([split, words]): [string, string[]] => [
      split,
      paths.filter((path) => parts(path).some((part) => words.test(part))),
    ]).filter(([, files]) => files.length > 0);
    if (found.length > 0) return new Map(found);
  }
  return new Map([["train", paths]]);
}
