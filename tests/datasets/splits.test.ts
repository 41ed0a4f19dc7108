import { describe, expect, test } from "bun:test";
import { hasAllShards, splitFiles } from "../../beyond/datasets/splits.ts";
import { UserError } from "../../lib/errors.ts";

const files = (paths: string[], split = "train", subset: string | null = null, card = "") =>
  splitFiles("org/name", ["README.md", ".gitattributes", ...paths], card, { split, subset });
const card = (yaml: string) => `---\nlicense: mit\n${yaml}\n---\n# A data set\n`;

describe("without a word in the README", () => {
  const sharded = ["train-00001-of-00002", "train-00000-of-00002", "test-00000-of-00001-abc"].map(
    (name) => `data/${name}.parquet`,
  );

  test("data/<split>-00000-of-00002.parquet", () => {
    expect(files([...sharded, "train.csv"])).toEqual([sharded[1], sharded[0]]);
    expect(files(sharded, "test")).toEqual([sharded[2]]);
    expect(() => files(sharded, "dev")).toThrow(
      "org/name has no split dev; choose with --split: train, test",
    );
  });

  test("folders, then files, with the split in their names", () => {
    expect(files(["train/a.jsonl", "train/b.jsonl", "test/a.jsonl"])).toHaveLength(2);
    expect(files(["my_train_data/x/a.csv", "val/a.csv"], "validation")).toEqual(["val/a.csv"]);
    expect(files(["gsm.train.jsonl", "gsm-test.jsonl.gz", "other.json"], "test")).toEqual([
      "gsm-test.jsonl.gz",
    ]);
    // a word within another is none
    expect(() => files(["training.jsonl", "latest.jsonl"], "test")).toThrow("has no split test");
    expect(files(["training.jsonl", "contest.jsonl"])).toEqual(["training.jsonl"]);
  });

  test("else every file is the split train", () => {
    expect(files(["aime_2024_problems.parquet"])).toEqual(["aime_2024_problems.parquet"]);
    expect(() => files(["aime_2024_problems.parquet"], "test")).toThrow("--split: train");
    expect(() => files(["x.arrow", "load.py"])).toThrow(UserError);
    expect(() => files(["x.arrow"])).toThrow("org/name has no JSON, CSV or Parquet files");
    expect(() => files(["a.jsonl"], "train", "main")).toThrow("no subset main; leave --subset out");
  });
});

describe("by the README's configurations", () => {
  const gsm8k = card(`configs:
- config_name: main
  data_files:
  - split: train
    path: main/train-*
  - split: test
    path: main/test-*
- config_name: socratic
  data_files:
  - split: train
    path: ["socratic/train-*"]`);
  const paths = ["main", "socratic"].flatMap((name) => [
    `${name}/train-00000-of-00001.parquet`,
    `${name}/test-00000-of-00001.parquet`,
  ]);

  test("a subset must be chosen among several, unless one is the default", () => {
    expect(files(paths, "train", "main", gsm8k)).toEqual([paths[0]]);
    expect(files(paths, "train", "socratic", gsm8k)).toEqual([paths[2]]);
    expect(() => files(paths, "train", null, gsm8k)).toThrow(
      "org/name has several subsets; choose with --subset: main, socratic",
    );
    expect(() => files(paths, "train", "mian", gsm8k)).toThrow(
      "choose with --subset: main, socratic",
    );
    expect(() => files(paths, "test", "socratic", gsm8k)).toThrow("--split: train");
    const withDefault = gsm8k.replace("config_name: main", "config_name: main\n  default: true");
    expect(files(paths, "test", null, withDefault)).toEqual([paths[1]]);
  });

  test("one pattern, several, a folder, a pattern for any depth", () => {
    const one = (data: string) => card(`configs:\n- config_name: default\n${data}`);
    const all = ["a/x.jsonl", "a/b/y.jsonl", "z.csv"];
    expect(files(all, "train", null, one('  data_files: "z.csv"'))).toEqual(["z.csv"]);
    expect(files(all, "train", null, one("  data_files: [z.csv, a/*.jsonl]"))).toHaveLength(2);
    expect(files(all, "train", null, one('  data_files: "**/*.jsonl"'))).toHaveLength(2);
    expect(files(all, "train", null, one("  data_dir: a"))).toHaveLength(2);
    expect(() => files([...all, "q.zip"], "train", null, one("  data_files: q.zip"))).toThrow(
      "org/name: q.zip is neither JSON, CSV nor Parquet",
    );
  });

  test("a card that is no YAML says nothing", () => {
    expect(files(["a.jsonl"], "train", null, card("configs: [}"))).toEqual(["a.jsonl"]);
  });
});

test("a shard that is missing is noticed", () => {
  const name = (i: number, n: number) => `data/train-0000${i}-of-0000${n}-9f3a.parquet`;
  expect(hasAllShards(["a.jsonl", name(0, 2), name(1, 2)])).toBe(true);
  expect(hasAllShards([name(0, 3), name(2, 3)])).toBe(false);
});
