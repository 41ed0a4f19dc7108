/** Every reader of a file that may come from a stranger or from a failing disk, with sound files to damage. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { readExperiment } from "../../beyond/compare/experiment.ts";
import { readRows, readSftRows } from "../../beyond/datasets/rows.ts";
import { openGgufModel } from "../../beyond/gguf/open.ts";
import { readLoraConfig } from "../../beyond/lora/peft.ts";
import { Prompter } from "../../beyond/models/chat.ts";
import { parseModelConfig } from "../../beyond/models/config.ts";
import { openSafetensors, readTensor } from "../../beyond/models/safetensors.ts";
import { Tokenizer } from "../../beyond/models/tokenizer.ts";
import { RunFolder } from "../../beyond/runs/folder.ts";
import { Ledger, type Rollout } from "../../beyond/runs/ledger.ts";
import { sealed } from "../../beyond/runs/sealed.ts";
import { requireSameLedger } from "../../beyond/runs/trainer-state.ts";

export interface Parser {
  name: string;
  /** Sound files. */
  seeds: (folder: string) => Uint8Array[] | Promise<Uint8Array[]>;
  /** Reads a file in an empty folder; throws for one that is refused. */
  read: (bytes: Uint8Array, folder: string) => unknown;
}

const root = join(import.meta.dir, "../..");
const base = (name: string) => readFileSync(join(root, "models/base", name));
const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Writes the bytes as a file, and gives its path. */
function placed(bytes: Uint8Array, folder: string, name: string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const rows = Array.from({ length: 20 }, (_, i) => ({ question: `${i}+1=`, answer: `${i + 1}` }));
const lines = bytesOf(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
const turns = [
  { role: "user", content: "1+1=" },
  { role: "assistant", content: "2" },
];

function parquet(codec: "SNAPPY" | "UNCOMPRESSED"): Uint8Array {
  const columns = ["question", "answer"] as const;
  const columnData = columns.map((name) => ({
    name,
    data: rows.map((row) => row[name]),
    type: "STRING" as const,
  }));
  return new Uint8Array(parquetWriteBuffer({ codec, columnData }));
}

const data = (name: string) => (bytes: Uint8Array, folder: string) =>
  readRows(placed(bytes, folder, name), { skipBad: true });

const TEMPLATE =
  "{% for m in messages %}{{ '<' + m['role'] + '>' + m.content | trim }}{% if loop.last %}{{ '!' }}{% endif %}{% endfor %}";

const rollout = (question: string, sample: number): Rollout => ({
  question,
  slot: 0,
  sample,
  completion: `so #${sample}`,
  outcome: String(sample),
  correct: sample === 1,
  reward: 1,
  exploration: 0,
  advantage: 0.5,
  tokens: 3,
  truncated: false,
  logprob: -0.5,
  entropy: 0.25,
  parts: { correct: 1 },
  tokenIds: [1, 2, 3],
  logprobs: [-0.5, -0.25, -0.75],
});

/** A ledger of three steps, and what its checkpoint knows of it. */
function ledger(folder: string) {
  const path = join(folder, "seed.sqlite");
  const open = new Ledger(path);
  for (const step of [1, 2, 3])
    open.append(
      step,
      [0, 1, 2].map((n) => rollout(`q${step}`, n)),
    );
  const known = { checks: open.checks(3), counts: open.counts() };
  open.close();
  const bytes = readFileSync(path);
  rmSync(path);
  return { bytes, known };
}
let written: ReturnType<typeof ledger> | undefined;

export const PARSERS: readonly Parser[] = [
  { name: "JSON lines", seeds: () => [lines], read: data("d.jsonl") },
  { name: "JSON array", seeds: () => [bytesOf(JSON.stringify(rows))], read: data("d.json") },
  {
    name: "CSV",
    seeds: () => [bytesOf('question,answer\n"1+1=",2\n"a ""b""\nc",3\n')],
    read: data("d.csv"),
  },
  { name: "gzip", seeds: () => [gzipSync(lines)], read: data("d.jsonl.gz") },
  {
    name: "Parquet",
    seeds: () => [parquet("SNAPPY"), parquet("UNCOMPRESSED")],
    read: data("d.parquet"),
  },
  {
    name: "conversations",
    seeds: () => [bytesOf(`${JSON.stringify({ messages: turns })}\n`.repeat(5))],
    read: (bytes, folder) => readSftRows(placed(bytes, folder, "d.jsonl"), { skipBad: true }),
  },
  {
    name: "config.json",
    seeds: () => [base("config.json")],
    read: (bytes) => parseModelConfig(textOf(bytes), "config.json"),
  },
  {
    name: "tokenizer.json",
    seeds: () => [base("tokenizer.json"), bytesOf(wordPieces())],
    read(bytes) {
      const files = {
        "tokenizer.json": textOf(bytes),
        "tokenizer_config.json": base("tokenizer_config.json").toString(),
      };
      const tokenizer = new Tokenizer(files, "m");
      return tokenizer.decode(tokenizer.encode("12+3=15 é"), true);
    },
  },
  {
    name: "chat template",
    seeds: () => [bytesOf(TEMPLATE)],
    read(bytes) {
      const files = {
        "tokenizer.json": base("tokenizer.json").toString(),
        "chat_template.jinja": textOf(bytes),
      };
      const settings = {
        systemPrompt: "s",
        promptTemplate: "{question}",
        chatTemplateKwargs: null,
      };
      const tokenizer = new Tokenizer(files, "m");
      return new Prompter({ files, source: "m" }, tokenizer, settings).text({ question: "1+1=" });
    },
  },
  {
    name: "safetensors",
    seeds: () => [base("model.safetensors").subarray(0), small()],
    async read(bytes) {
      const tensors = await openSafetensors(new Blob([new Uint8Array(bytes)]), "m.safetensors");
      for (const name of tensors.keys()) await readTensor(tensors, name);
    },
  },
  {
    name: "GGUF",
    seeds: () => [readFileSync(join(root, "tests/golden/gguf-llama.gguf"))],
    async read(bytes, folder) {
      const model = await openGgufModel(placed(bytes, folder, "m.gguf"));
      const tokenizer = new Tokenizer(model.files as { "tokenizer.json": string }, "m.gguf");
      tokenizer.encode("1+1=");
      for (const name of model.tensors.keys()) await readTensor(model.tensors, name);
    },
  },
  {
    name: "adapter_config.json",
    seeds: () => [
      bytesOf(
        '{"peft_type": "LORA", "base_model_name_or_path": "b", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}',
      ),
    ],
    read(bytes, folder) {
      placed(bytes, folder, "adapter_config.json");
      readLoraConfig(folder);
    },
  },
  {
    name: "experiment.yaml",
    seeds: () => [readFileSync(join(root, "experiments/sweep.yaml"))],
    read: (bytes, folder) => readExperiment(placed(bytes, folder, "e.yaml"), folder),
  },
  {
    name: "config of a run",
    seeds: () => [
      bytesOf(sealed({ settings: { data: "d", seed: 1 }, versions: {}, adapter: {}, tuning: {} })),
    ],
    read(bytes, folder) {
      placed(bytes, folder, "config.json");
      const { settings } = RunFolder.open(folder).readConfig();
      if (!Bun.deepEquals(settings, { data: "d", seed: 1 })) throw new Taken("other settings");
    },
  },
  {
    name: "ledger",
    seeds(folder) {
      written = ledger(folder);
      return [written.bytes];
    },
    read(bytes, folder) {
      const { checks, counts } = (written as NonNullable<typeof written>).known;
      const path = placed(bytes, folder, "ledger.sqlite");
      const open = new Ledger(path);
      try {
        requireSameLedger(open, 3, { ledger: checks });
        if (!Bun.deepEquals(open.counts(), counts)) throw new Taken("other counts");
      } finally {
        open.close();
      }
    },
  },
];

/** What was read without a word, and is another than was written. */
export class Taken extends Error {}

/** A tokenizer with a normalizer, pre-tokenizers, merges and a template. */
function wordPieces(): string {
  const json = JSON.parse(base("tokenizer.json").toString());
  return JSON.stringify({
    ...json,
    normalizer: {
      type: "Sequence",
      normalizers: [{ type: "NFC" }, { type: "Prepend", prepend: "1" }],
    },
    pre_tokenizer: {
      type: "Split",
      pattern: { Regex: "\\d+|[+=-]" },
      behavior: "Isolated",
      invert: false,
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [
        { SpecialToken: { id: "<eos>", type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
      ],
      pair: [],
      special_tokens: { "<eos>": { id: "<eos>", ids: [0], tokens: ["<eos>"] } },
    },
    model: { ...json.model, vocab: { ...json.model.vocab, 12: 16 }, merges: [["1", "2"]] },
  });
}

/** A safetensors file of which most bytes are header. */
function small(): Uint8Array {
  const tensor = (begin: number) => ({
    dtype: "F32",
    shape: [2, 2],
    data_offsets: [begin, begin + 16],
  });
  const header = bytesOf(JSON.stringify({ a: tensor(0), b: tensor(16) }).padEnd(160));
  const length = new Uint8Array(new BigUint64Array([BigInt(header.length)]).buffer);
  return Buffer.concat([length, header, new Uint8Array(32)]);
}

/** An empty folder for one file. */
export function emptied(folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}
