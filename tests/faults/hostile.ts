/** Files that were made to hang a reader, or to take all memory, and what the program answers to each. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";

const BASE = join(import.meta.dir, "../../models/base");
const MODEL_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];

export interface Hostile {
  what: string;
  /** Writes what it needs into the folder, and gives the arguments of the program that reads it. */
  make: (folder: string) => string[];
  /** The line that the program ends with. */
  message: RegExp;
  /** What is used up before it is given up: nothing if it is refused at once. */
  takes?: "memory" | "time";
  /** Read without harm by Deno's JSON, which does not go deeper on the stack with every bracket. */
  isFineUnderDeno?: true;
}

/** The base model in `folder`/m with some files changed; what asks it something. */
function model(folder: string, files: Record<string, string | Uint8Array | object>): string[] {
  const path = join(folder, "m");
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  for (const name of MODEL_FILES) cpSync(join(BASE, name), join(path, name));
  for (const [name, content] of Object.entries(files)) {
    const isText = typeof content === "string" || content instanceof Uint8Array;
    writeFileSync(join(path, name), isText ? content : JSON.stringify(content));
  }
  return ["sample", "1+1=", "--model", path];
}

const template = (text: string) => (folder: string) =>
  model(folder, { "chat_template.jinja": text });

/** The base model's tokenizer with other parts. */
const tokenizer = (parts: object) => (folder: string) => {
  const json = JSON.parse(readFileSync(join(BASE, "tokenizer.json"), "utf8"));
  return model(folder, { "tokenizer.json": { ...json, ...parts } });
};

/** What a file of data is read with. */
const data = (name: string, content: string | Uint8Array) => (folder: string) => {
  writeFileSync(join(folder, name), content);
  return ["data", join(folder, name)];
};

const experiment = (text: string) => (folder: string) => {
  writeFileSync(join(folder, "e.yaml"), text);
  return ["compare", join(folder, "e.yaml"), "--output-dir", join(folder, "runs")];
};

function adapter(path: string, base: string) {
  mkdirSync(path, { recursive: true });
  const config = { peft_type: "LORA", base_model_name_or_path: base, r: 1, lora_alpha: 1 };
  const json = { ...config, target_modules: ["q_proj"] };
  writeFileSync(join(path, "adapter_config.json"), JSON.stringify(json));
}

/** A safetensors file: its header, after its length. */
function headed(header: string | Uint8Array): Uint8Array {
  const length = new Uint8Array(new BigUint64Array([BigInt(header.length)]).buffer);
  return Buffer.concat([length, Buffer.from(header)]);
}

/** Parquet in which a page of 20 bytes says it unpacks to much. */
function bomb(): Uint8Array {
  const answers = Array.from({ length: 300 }, (_, i) => String(i));
  const column = { type: "STRING" as const };
  const bytes = parquetWriteBuffer({
    codec: "GZIP",
    compressors: { GZIP: () => gzipSync(new Uint8Array(2 ** 28), { level: 9 }) },
    columnData: [
      { name: "question", data: answers, ...column },
      { name: "answer", data: answers, ...column },
    ],
  });
  return new Uint8Array(bytes);
}

const GIVEN_UP =
  /^(.*) took more than (?:1 GiB of memory|15 s) to read and was given up; it is damaged or hostile/;
const sequence = (...normalizers: object[]) => ({ normalizer: { type: "Sequence", normalizers } });
const replace = (pattern: string, content: string) => ({
  type: "Replace",
  pattern: { String: pattern },
  content,
});
const aliases = [..."bcdefghi"].map(
  (name, i) => `${name}: &${name} [${Array(9).fill(`*${"abcdefgh"[i]}`)}]`,
);

export const HOSTILE: readonly Hostile[] = [
  {
    what: "a chat template that counts to 10^9",
    make: template("{% for i in range(10**9) %}{% endfor %}"),
    message: /its range\(1000000000\) is none of at most 100000 numbers$/,
  },
  {
    what: "a chat template that doubles a text sixty times",
    make: template(
      "{% set n = namespace(t='aaaaaaaa') %}{% for i in range(60) %}{% set n.t = n.t + n.t %}{% endfor %}{{ n.t | upper }}",
    ),
    // as JavaScriptCore and V8 say it
    message:
      /the model's chat template refuses the prompt: (?:Out of memory|Invalid string length)$/,
  },
  {
    what: "a chat template that doubles a list",
    make: template(
      "{% set n = namespace(t=[1]) %}{% for i in range(60) %}{% set n.t = n.t + n.t %}{% endfor %}",
    ),
    message: GIVEN_UP,
    takes: "memory",
  },
  {
    what: "a chat template of nested loops",
    make: template(
      "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
    ),
    message: GIVEN_UP,
    takes: "time",
  },
  {
    what: "a chat template that calls itself",
    make: template("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}"),
    message: new RegExp(`${GIVEN_UP.source}|the model's chat template refuses the prompt: Maximum`),
    takes: "time",
  },
  {
    what: "a chat template that raises a text of a megabyte",
    make: template(`{{ raise_exception('no, '.upper() ~ '${"really ".repeat(150_000)}') }}`),
    message: /the model's chat template refuses the prompt: NO, really .{150,200} \.\.\.$/,
  },
  {
    what: "a tokenizer that makes a text 2^40 times as long",
    make: tokenizer(sequence(...Array(40).fill(replace("1", "11")))),
    message: GIVEN_UP,
    takes: "memory",
  },
  {
    what: "a tokenizer that puts 50 MB before a text",
    make: tokenizer({ normalizer: { type: "Prepend", prepend: "1".repeat(50e6) } }),
    message: GIVEN_UP,
    takes: "time",
  },
  {
    what: "a header of safetensors of 99 MB of brackets",
    make: (folder) =>
      model(folder, { "model.safetensors": headed(new Uint8Array(99e6).fill(0x5b)) }),
    message: GIVEN_UP,
    takes: "memory",
  },
  {
    what: "a header of safetensors with a name of a megabyte",
    make: (folder) => model(folder, { "model.safetensors": headed(`{"${"n".repeat(1e6)}":1}`) }),
    message: /is corrupt or truncated: no shape for n{150,200}\.\.\./,
  },
  {
    what: "a config nested 10^5 deep",
    make: (folder) => {
      const json = readFileSync(join(BASE, "config.json"), "utf8").trimEnd();
      const deep = `${"[".repeat(1e5)}${"]".repeat(1e5)}`;
      return model(folder, { "config.json": `${json.slice(0, -1)}, "x": ${deep}}` });
    },
    message: /^something that was read is nested too deep/,
    isFineUnderDeno: true,
  },
  {
    what: "a tokenizer that is a folder",
    make: (folder) => {
      const args = model(folder, {});
      rmSync(join(folder, "m/tokenizer.json"));
      mkdirSync(join(folder, "m/tokenizer.json"));
      return args;
    },
    message: /m\/tokenizer\.json is a folder, and should be a file; check the path$/,
  },
  {
    what: "weights that are a folder",
    make: (folder) => {
      const args = model(folder, {});
      rmSync(join(folder, "m/model.safetensors"));
      mkdirSync(join(folder, "m/model.safetensors"));
      return args;
    },
    message: /m\/model\.safetensors is a folder, and should be a file; check the path$/,
  },
  {
    what: "an adapter of itself",
    make: (folder) => {
      adapter(join(folder, "a"), join(folder, "a"));
      return ["sample", "1+1=", "--model", join(folder, "a")];
    },
    message: /a adapts .*a, an adapter itself; merge that: .*merge .* --output-dir merged$/,
  },
  {
    what: "adapters of each other",
    make: (folder) => {
      adapter(join(folder, "a"), join(folder, "b"));
      adapter(join(folder, "b"), join(folder, "a"));
      return ["sample", "1+1=", "--model", join(folder, "a")];
    },
    message: /a adapts .*b, an adapter itself; merge that: .*merge .* --output-dir merged$/,
  },
  {
    what: "Parquet whose pages unpack to more than they say",
    make: (folder) => data("bomb.parquet", bomb())(folder),
    message: /bomb\.parquet cannot be read as Parquet: /,
  },
  {
    what: "gzipped JSON lines of 2 GB in one line",
    make: (folder) =>
      data(
        "d.jsonl.gz",
        Buffer.concat(Array(8).fill(gzipSync(new Uint8Array(2 ** 28).fill(0x20)))),
      )(folder),
    message: /d\.jsonl\.gz:1: longer than 64 MiB; is this a file with a row a line\?$/,
  },
  {
    what: "a row of 60 MB of brackets",
    make: data("d.jsonl", `{"question": ${"[".repeat(60e6)}`),
    message: GIVEN_UP,
    takes: "memory",
  },
  {
    what: "an experiment of aliases of aliases",
    make: experiment(`a: &a [x]\n${aliases.join("\n")}\n`),
    message: /e\.yaml:1: .*write out what they stand for$/,
  },
  {
    what: "an experiment nested 10^5 deep",
    make: experiment(`a: ${"[".repeat(1e5)}`),
    message: /e\.yaml/,
  },
  ...["numGenerations", "promptsPerStep", "maxCompletionLength", "numIterations"].map((name) => {
    const flag = `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
    return {
      what: `${flag} 9007199254740991`,
      make: (folder: string) => {
        const [, path] = data("d.jsonl", '{"question": "1+1=", "answer": "2"}\n')(folder);
        return ["train", path, "--output-dir", join(folder, "run"), flag, "9007199254740991"];
      },
      message: new RegExp(`^${flag} must be a whole number at least \\d and at most \\d+`),
    };
  }),
];
