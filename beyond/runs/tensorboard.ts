import { appendFileSync } from "node:fs";
import { diskError } from "../platform/files.ts";

/**
 * TensorBoard's event files: records of a length, its checksum, an `Event` as protocol buffer, and that
 * one's checksum. Of the messages in tensorboard/compat/proto (event.proto, summary.proto) these fields are written:
 *
 *     Event      wall_time = 1 (double), step = 2 (int64), file_version = 3 (string), summary = 5, session_log = 7
 *     Summary    value = 1 (repeated);  Summary.Value  tag = 1 (string), simple_value = 2 (float)
 *     SessionLog status = 1 (enum; START = 1)
 */
export class EventFile {
  private readonly path: string;

  /**
   * Begins a new file in `folder`.
   * @param purgeStep what earlier files say of this step and later ones counts no more; null keeps all
   * @param now milliseconds since 1970
   */
  constructor(
    folder: string,
    purgeStep: number | null,
    private readonly now: () => number = Date.now,
  ) {
    this.path = `${folder}/events.out.tfevents.${Math.floor(now())}.rlexplore`;
    this.write(0, bytesField(3, encoder.encode("brain.Event:2")));
    if (purgeStep !== null) this.write(purgeStep, bytesField(7, [...key(1, VARINT), 1]));
  }

  /** Adds numbers of a step, each with its tag. */
  append(step: number, values: readonly (readonly [tag: string, value: number])[]) {
    if (values.length === 0) return;
    const summary = values.flatMap(([tag, value]) =>
      bytesField(1, [...bytesField(1, encoder.encode(tag)), ...floatField(2, value)]),
    );
    this.write(step, bytesField(5, summary));
  }

  private write(step: number, content: readonly number[]) {
    const event = [...doubleField(1, this.now() / 1000), ...integerField(2, step), ...content];
    try {
      appendFileSync(this.path, record(Uint8Array.from(event)));
    } catch (error) {
      throw diskError(error, this.path);
    }
  }
}

/**
 * The numbers of a line of `metrics.jsonl` under TensorBoard's tags: `train/reward`,
 * `train/rewardParts/correct`, `eval/pass@8`. What is null or no number has no tag.
 */
export function taggedNumbers(metrics: object): [tag: string, value: number][] {
  const tagged: [string, number][] = [];
  const walk = (prefix: string, value: unknown) => {
    if (typeof value === "number" && Number.isFinite(value)) tagged.push([prefix, value]);
    if (typeof value !== "object" || value === null) return;
    for (const [name, part] of Object.entries(value)) walk(`${prefix}/${name}`, part);
  };
  const { step: _, evaluation, ...training } = metrics as Record<string, unknown>;
  walk("train", training);
  walk("eval", (evaluation as { figures?: object } | undefined)?.figures);
  return tagged;
}

const encoder = new TextEncoder();

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const key = (field: number, wireType: number) => varint(8 * field + wireType);

/** Seven bits a byte, the lowest first; for integers from 0 to 2^53. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

/** Zero is what a field that is left out says. */
const integerField = (field: number, value: number) =>
  value === 0 ? [] : [...key(field, VARINT), ...varint(value)];

const bytesField = (field: number, bytes: Iterable<number>) => {
  const content = [...bytes];
  return [...key(field, BYTES), ...varint(content.length), ...content];
};

const floatField = (field: number, value: number) => [
  ...key(field, FIXED32),
  ...new Uint8Array(new Float32Array([value]).buffer),
];

const doubleField = (field: number, value: number) => [
  ...key(field, FIXED64),
  ...new Uint8Array(new Float64Array([value]).buffer),
];

/** uint64 length, uint32 its masked CRC-32C, the data, uint32 the data's; little-endian. */
function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + 4 + data.length + 4);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return bytes;
}

/** CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), a byte at a time. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** As the record format wants it: rotated and moved on, since data may hold checksums itself. */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
