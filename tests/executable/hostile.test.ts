import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HOSTILE } from "../faults/hostile.ts";
import { finish, Program, RUNTIME } from "./program.ts";

const base = join(import.meta.dir, "..", "..", "models", "base");
const WEIGHTS = "model.safetensors";
const INDEX = `${WEIGHTS}.index.json`;
/** What a refusal may take beyond one that has opened nothing. */
const LIMIT_BYTES = 64 * 2 ** 20;

let program: Program;
let leastBytes: number;
beforeAll(async () => {
  program = await Program.build();
  leastBytes = (await refusal("nowhere")).peakBytes;
});
afterAll(() => program?.remove());

/** What the program says of a model it cannot use, and its peak memory. */
async function refusal(model: string) {
  const running = program.start(["sample", "1+1=", "--model", model]);
  const { code, stderr } = await finish(running);
  return { code, stderr, peakBytes: running.resourceUsage()?.maxRSS ?? Number.NaN };
}

/** A copy of the base model with these files changed, null for one left out. */
function folderWith(files: Record<string, string | Uint8Array | null>): string {
  const path = program.path("model");
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path);
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json", WEIGHTS]) {
    if (existsSync(join(base, name))) cpSync(join(base, name), join(path, name));
  }
  for (const [name, content] of Object.entries(files)) {
    if (content === null) rmSync(join(path, name));
    else writeFileSync(join(path, name), content);
  }
  return "model";
}

const bytesOf = (...parts: (bigint | string | Uint8Array)[]) =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === "bigint"
        ? new Uint8Array(new BigUint64Array([part]).buffer)
        : Buffer.from(part as string),
    ),
  );
/** A safetensors file with another header, and `data` bytes after it. */
function weightsWith(header: object, data = 8): Uint8Array {
  const json = JSON.stringify(header);
  return bytesOf(BigInt(json.length), json, new Uint8Array(data));
}
const tensor = (elements: number, begin: number, end: number) => ({
  dtype: "F32",
  shape: [elements],
  data_offsets: [begin, end],
});
const config = (changes: object) => {
  const json = JSON.parse(readFileSync(join(base, "config.json"), "utf8"));
  return JSON.stringify({ ...json, ...changes });
};
const index = (shard: string) => JSON.stringify({ weight_map: { "model.norm.weight": shard } });
const ggufOf = (...rest: (bigint | string | Uint8Array)[]) => {
  const version = new Uint8Array(new Uint32Array([3]).buffer);
  writeFileSync(program.path("m.gguf"), bytesOf("GGUF", version, ...rest));
  return "m.gguf";
};

const corrupt = /is corrupt or truncated: .*; copy or download it again$/;
const models: [what: string, make: () => string, message: RegExp][] = [
  [
    "truncated weights",
    () => folderWith({ [WEIGHTS]: readFileSync(join(base, WEIGHTS)).subarray(0, -100) }),
    corrupt,
  ],
  [
    "a header longer than the file",
    () => folderWith({ [WEIGHTS]: bytesOf(99_000_000n, "{}") }),
    corrupt,
  ],
  ["a header of 2^62", () => folderWith({ [WEIGHTS]: bytesOf(2n ** 62n, "{}") }), corrupt],
  [
    "tensors that overlap",
    () => folderWith({ [WEIGHTS]: weightsWith({ a: tensor(2, 0, 8), b: tensor(1, 4, 8) }) }),
    corrupt,
  ],
  [
    "a tensor beyond the end",
    () => folderWith({ [WEIGHTS]: weightsWith({ a: tensor(4, 0, 16) }) }),
    corrupt,
  ],
  [
    "a tensor of 2^40 elements",
    () => folderWith({ [WEIGHTS]: weightsWith({ a: tensor(2 ** 40, 0, 2 ** 42) }) }),
    corrupt,
  ],
  [
    "a shard that is not there",
    () => folderWith({ [WEIGHTS]: null, [INDEX]: index("model-00001-of-00002.safetensors") }),
    /model-00001-of-00002\.safetensors, which is not there; copy or download/,
  ],
  [
    "a shard outside the folder",
    () => folderWith({ [WEIGHTS]: null, [INDEX]: index("../../etc/passwd") }),
    /"\.\.\/\.\.\/etc\/passwd", which is not a file of the folder; copy or download/,
  ],
  [
    "a tokenizer that is an image",
    () => folderWith({ "tokenizer.json": "\x89PNG\r\n\x1a\n" }),
    /tokenizer\.json is not a JSON object; copy it again/,
  ],
  [
    "a tokenizer that is another object",
    () => folderWith({ "tokenizer.json": config({}) }),
    /^model\/tokenizer\.json cannot be used: /,
  ],
  [
    "a token with the id 2^40",
    () =>
      folderWith({
        "tokenizer.json": readFileSync(join(base, "tokenizer.json"), "utf8").replace(
          /("0"\s*:\s*)\d+/,
          "$11099511627776",
        ),
      }),
    /tokenizer\.json cannot be used: the id of "0" is 1099511627776/,
  ],
  [
    "brackets without end",
    () => folderWith({ "tokenizer.json": "[".repeat(2 ** 17) }),
    /tokenizer\.json is not a JSON object/,
  ],
  [
    "10^9 layers",
    () => folderWith({ "config.json": config({ num_hidden_layers: 1e9 }) }),
    /config\.json: num_hidden_layers: /,
  ],
  [
    "2^40 tokens",
    () => folderWith({ "config.json": config({ vocab_size: 2 ** 40 }) }),
    /does not fit its config\.json: of another shape: model\.embed_tokens\.weight/,
  ],
  ["a GGUF file of 2^40 tensors", () => ggufOf(2n ** 40n, 0n, new Uint8Array(99)), corrupt],
  ["a GGUF file of 2^40 entries", () => ggufOf(0n, 2n ** 40n, new Uint8Array(99)), corrupt],
  ["a GGUF text of 2^40", () => ggufOf(0n, 1n, 2n ** 40n, new Uint8Array(99)), corrupt],
];

test.each(models)("%s: one line, exit code 2, hardly any memory", async (_, make, message) => {
  const { code, stderr, peakBytes } = await refusal(make());
  const line = /^rlexplore: (.*)\n$/.exec(stderr)?.[1] ?? `not one line: ${stderr}`;
  expect(line).toMatch(message);
  expect(code).toBe(2);
  expect(peakBytes - leastBytes).toBeLessThan(LIMIT_BYTES);
});

const isDeno = RUNTIME === "deno";
const refused = HOSTILE.filter(
  ({ takes, isFineUnderDeno }) => takes === undefined && !(isDeno && isFineUnderDeno),
);
// Deno has nobody who looks on while a stranger's file is read
const given = isDeno ? [] : [HOSTILE.find(({ takes }) => takes === "memory")!];

test.each([...refused, ...given])(
  "$what: exit code 2, and a line that says why",
  async (hostile) => {
    const folder = program.path("hostile");
    mkdirSync(folder, { recursive: true });
    const { code, stderr } = await program.run(hostile.make(folder));
    rmSync(folder, { recursive: true });
    expect(
      stderr
        .trim()
        .split("\n")
        .pop()
        ?.replace(/^rlexplore: /, ""),
    ).toMatch(hostile.message);
    expect(stderr.length).toBeLessThan(600);
    expect(code).toBe(2);
  },
);
