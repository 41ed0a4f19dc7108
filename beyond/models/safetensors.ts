import { watched } from "#platform/watchdog.ts";
import { UserError } from "../../lib/errors.ts";
import type { Gpu } from "../../lib/gpu/device.ts";
import type { Slabs } from "../../lib/model/slabs.ts";
import { reorderRows } from "../gguf/names.ts";
import { decodeValues, storedBytes } from "./dtypes.ts";

/** One tensor of an opened file. Its bytes stay on disk until `readTensor`, so a file may exceed memory. */
export interface StoredTensor {
  dtype: string;
  shape: number[];
  /** The tensor's bytes, a slice of the file. */
  bytes: Blob;
  /** The file's name, for messages. */
  source: string;
  /** Heads whose rows GGUF interleaves; 0 or nothing for rows in Hugging Face's order. */
  interleaved?: number;
  /** What is taken from every number of it. */
  less?: number;
}

/** A tensor of weights, or of bytes that mean something to the reader. */
export type AnyTensorSource =
  | (TensorSource & { dtype?: undefined })
  | (TensorSource<Uint8Array> & { dtype: "U8" });

/** One tensor to be written. `data` is asked for when its turn comes, so that one at a time is in memory. */
export interface TensorSource<Values = Float32Array> {
  name: string;
  shape: readonly number[];
  data: () => Values | Promise<Values>;
}

/** The format's own limit: a longer header is no header, and is not read. */
const LONGEST_HEADER = 100_000_000;

/** Tensors that old files carry and that are computed, or tied, instead: never counted as superfluous. */
const DERIVED = /rotary_emb\.inv_freq$|^lm_head\.weight$/;

const isCounts = (values: unknown): values is number[] =>
  Array.isArray(values) && values.every((n) => Number.isSafeInteger(n) && n >= 0);

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/**
 * Reads the header of a safetensors file: u64 length, JSON of name to {dtype, shape, data_offsets}, then the
 * bytes (https://huggingface.co/docs/safetensors). The ranges must fit the shapes and lie end to end from the
 * header to the end of the file, so a truncated or overwritten file is found here and not as odd weights.
 */
export async function openSafetensors(
  file: Blob,
  source: string,
): Promise<Map<string, StoredTensor>> {
  const corrupt = (why: string) =>
    new UserError(`${source} is corrupt or truncated: ${why}; copy or download it again`);
  if (file.size < 8) throw corrupt(`${file.size} bytes hold no header`);
  const prefix = new DataView(await file.slice(0, 8).arrayBuffer());
  const headerEnd = 8 + Number(prefix.getBigUint64(0, true));
  if (headerEnd > Math.min(file.size, LONGEST_HEADER)) {
    throw corrupt(`its header should end at byte ${headerEnd}`);
  }
  let header: Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>;
  try {
    const json = await file.slice(8, headerEnd).text();
    header = watched(source, () => JSON.parse(json));
  } catch {
    throw corrupt("its header is not JSON");
  }
  if (typeof header !== "object" || header === null) throw corrupt("its header is not an object");
  const tensors = new Map<string, StoredTensor>();
  const ranges: { name: string; begin: number; end: number }[] = [];
  for (const [name, info] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets: range } = info ?? {};
    if (!isCounts(shape) || !isCounts(range)) throw corrupt(`no shape for ${name}`);
    const bytes = storedBytes(dtype, product(shape));
    if (range[1] - range[0] !== bytes && !Number.isNaN(bytes)) {
      throw corrupt(`${name} has ${range[1] - range[0]} bytes, its shape needs ${bytes}`);
    }
    const [begin, end] = [headerEnd + range[0], headerEnd + range[1]];
    if (!(end >= begin)) throw corrupt(`the range of ${name} is impossible`);
    if (end > file.size) throw corrupt(`${file.size} bytes of at least ${end}`);
    ranges.push({ name, begin, end });
    tensors.set(name, { dtype, shape, bytes: file.slice(begin, end), source });
  }
  let covered = headerEnd;
  for (const { name, begin, end } of ranges.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < covered) throw corrupt(`${name} overlaps another tensor`);
    if (begin > covered) throw corrupt(`nothing lies before ${name}`);
    covered = end;
  }
  if (covered !== file.size) {
    throw corrupt(`its tensors need ${covered} bytes, the file has ${file.size}`);
  }
  return tensors;
}

/**
 * Reads one tensor as float32, row-major, rows in Hugging Face's order. F16 and BF16 are widened, which is
 * exact; GGUF's block formats are dequantised.
 */
export async function readTensor(
  tensors: Map<string, StoredTensor>,
  name: string,
): Promise<Float32Array<ArrayBuffer>> {
  const tensor = storedTensor(tensors, name);
  const { dtype, source, shape, interleaved, less } = tensor;
  const values = decodeValues(await readBytes(tensor), dtype);
  if (!values) {
    throw new UserError(
      `${source}: weights of type ${dtype} are not supported; use F32, F16 or BF16`,
    );
  }
  requireFinite(values, `${source}: ${name}`);
  if (less) for (let i = 0; i < values.length; i++) values[i] -= less;
  return interleaved ? reorderRows(values, shape[0], interleaved) : values;
}

/** The first value that is NaN or infinite; undefined if all are finite. */
export function notFinite(values: Float32Array): number | undefined {
  // x - x is zero, or else NaN; a loop, because a model has billions of them
  for (let i = 0; i < values.length; i++) if (values[i] - values[i] !== 0) return values[i];
  return undefined;
}

/** @throws UserError if any weight is NaN or infinite: a model of such weights says nothing */
export function requireFinite(weights: Float32Array, what: string): void {
  const value = notFinite(weights);
  if (value === undefined) return;
  throw new UserError(
    `${what} holds ${value}, which no weight may be; get the model again, or another one`,
  );
}

/** A tensor that the file is known to have. */
export function storedTensor(tensors: Map<string, StoredTensor>, name: string): StoredTensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`no tensor ${name}; requireTensors comes first`);
  return tensor;
}

/** A tensor's bytes as the file has them. */
export async function readBytes({ bytes, dtype, shape, source }: StoredTensor) {
  const buffer = await bytes.arrayBuffer();
  const expected = storedBytes(dtype, product(shape));
  if (buffer.byteLength !== expected && !Number.isNaN(expected)) {
    throw new UserError(`${source} changed or was cut short while it was read`);
  }
  return buffer;
}

/** Refuses a file whose tensors are not exactly the expected ones, naming those that differ. */
export function requireTensors(
  stored: Map<string, StoredTensor>,
  expected: Map<string, readonly number[]>,
  source: string,
) {
  const missing = [...expected.keys()].filter((name) => !stored.has(name));
  const extra = [...stored.keys()].filter((name) => !expected.has(name) && !DERIVED.test(name));
  const misshapen = [...expected].flatMap(([name, shape]) => {
    const found = stored.get(name)?.shape;
    if (!found || String(found) === String(shape)) return [];
    return [`${name} is [${found}], expected [${shape}]`];
  });
  const list = (label: string, names: string[]) => {
    const more = names.length > 4 ? ` and ${names.length - 4} more` : "";
    return names.length === 0 ? [] : [`${label}: ${names.slice(0, 4).join(", ")}${more}`];
  };
  const problems = [
    ...list("missing", missing),
    ...list("not expected", extra),
    ...list("of another shape", misshapen),
  ];
  if (problems.length > 0) {
    throw new UserError(`${source} does not fit its config.json: ${problems.join("; ")}`);
  }
}

/** Every tensor on the GPU as a file is to hold it, under its name after `prefix`. */
export function tensorSources(gpu: Gpu, slabs: Slabs, prefix = ""): TensorSource[] {
  return Array.from(slabs.layout.shapes, ([name, shape]) => ({
    name: prefix + name,
    shape,
    data: () => slabs.get(gpu, name),
  }));
}

/**
 * The bytes of a safetensors file, piece by piece: the header, padded to 8 bytes, then the
 * tensors in order. Each piece is consumed before the next tensor is asked for.
 */
export async function* encodeSafetensors(
  tensors: readonly AnyTensorSource[],
): AsyncGenerator<Uint8Array> {
  let offset = 0;
  const header: Record<string, object> = { __metadata__: { format: "pt" } };
  for (const { name, dtype = "F32", shape } of tensors) {
    const end = offset + storedBytes(dtype, product(shape));
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  head.set(json, 8);
  yield head;
  for (const { name, shape, data } of tensors) {
    const values = await data();
    if (values.length !== product(shape)) {
      throw new Error(`${name} has ${values.length} values, its shape needs ${product(shape)}`);
    }
    yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }
}
