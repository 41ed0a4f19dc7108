import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  encodeSafetensors,
  openSafetensors,
  readTensor,
  requireTensors,
} from "../../beyond/models/safetensors.ts";
import { UserError } from "../../lib/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));

type Numbers = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

/** A file as another program would write it. */
function fileOf(header: object, ...data: Numbers[]) {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = new BigUint64Array([BigInt(json.length)]);
  return new Blob([length, json, ...data]);
}

async function encoded() {
  const pieces = encodeSafetensors([
    { name: "a", shape: [2, 3], data: () => Float32Array.of(1, 2, 3, -4, 5, 1e-30) },
    { name: "empty", shape: [0, 4], data: () => new Float32Array(0) },
    { name: "b", shape: [1], data: async () => Float32Array.of(0.1, 7).subarray(1) },
  ]);
  return new Blob((await Array.fromAsync(pieces)) as Uint8Array<ArrayBuffer>[]);
}

describe("round trip", () => {
  test("gives names, shapes and bits back", async () => {
    const tensors = await openSafetensors(await encoded(), "x");
    expect([...tensors.keys()]).toEqual(["a", "empty", "b"]);
    expect(tensors.get("a")?.shape).toEqual([2, 3]);
    expect(await readTensor(tensors, "a")).toEqual(
      Float32Array.of(1, 2, 3, -4, 5, Math.fround(1e-30)),
    );
    expect(await readTensor(tensors, "b")).toEqual(Float32Array.of(7));
  });

  test("asks for a tensor only after the one before was taken", async () => {
    const asked: string[] = [];
    const source = (name: string) => ({
      name,
      shape: [1],
      data: () => {
        asked.push(name);
        return new Float32Array(1);
      },
    });
    const pieces = encodeSafetensors([source("a"), source("b")]);
    await pieces.next();
    expect(asked).toEqual([]);
    await pieces.next();
    expect(asked).toEqual(["a"]);
  });

  test("data of another size than the shape is a bug, said at once", async () => {
    const wrong = encodeSafetensors([{ name: "a", shape: [3], data: () => new Float32Array(2) }]);
    await expect(Array.fromAsync(wrong)).rejects.toThrow(/a has 2 values, its shape needs 3/);
  });
});

describe("half precision", () => {
  test("F16: 1, -2.5, the largest, the smallest subnormal", async () => {
    const bits = Uint16Array.of(0x3c00, 0xc100, 0x7bff, 0x0001);
    const file = fileOf({ h: { dtype: "F16", shape: [4], data_offsets: [0, 8] } }, bits);
    const read = await readTensor(await openSafetensors(file, "x"), "h");
    expect([...read]).toEqual([1, -2.5, 65504, 2 ** -24]);
  });

  test("infinity, as any number that is none, is refused by name", async () => {
    const bits = Uint16Array.of(0x3c00, 0x7c00);
    const file = fileOf({ h: { dtype: "F16", shape: [2], data_offsets: [0, 4] } }, bits);
    const read = readTensor(await openSafetensors(file, "x"), "h");
    await expect(read).rejects.toThrow("x: h holds Infinity");
  });

  test("BF16: 1, -3.140625, the smallest normal", async () => {
    const bits = Uint16Array.of(0x3f80, 0xc049, 0x0080);
    const file = fileOf({ h: { dtype: "BF16", shape: [3], data_offsets: [0, 6] } }, bits);
    const read = await readTensor(await openSafetensors(file, "x"), "h");
    expect([...read]).toEqual([1, -3.140625, 2 ** -126]);
  });

  test("another type is refused by name", async () => {
    const file = fileOf(
      { q: { dtype: "I8", shape: [2], data_offsets: [0, 2] } },
      Uint8Array.of(1, 2),
    );
    const tensors = await openSafetensors(file, "m/model.safetensors");
    await expect(readTensor(tensors, "q")).rejects.toThrow(/model.safetensors.*I8/);
  });
});

describe("a damaged file", () => {
  test("cut anywhere, it is one clear error", async () => {
    const whole = await encoded();
    for (let size = 0; size < whole.size; size++) {
      const cut = openSafetensors(whole.slice(0, size), "m.safetensors");
      await expect(cut).rejects.toThrow(UserError);
      await expect(cut).rejects.toThrow(/^m\.safetensors is corrupt or truncated: /);
    }
  });

  test("bytes too many, shapes that do not fit, ranges outside, no JSON", async () => {
    const four = Float32Array.of(1);
    const entry = { dtype: "F32", shape: [1], data_offsets: [0, 4] };
    const wrong = [
      fileOf({ a: entry }, four, four),
      fileOf({ a: { ...entry, shape: [2] } }, four),
      fileOf({ a: { ...entry, data_offsets: [-4, 0] } }, four),
      fileOf({ a: { ...entry, data_offsets: [4, 8] } }, four),
      fileOf({ a: { ...entry, shape: undefined } }, four),
      fileOf({ a: null }, four),
      fileOf({ a: { ...entry, shape: [2 ** 40], data_offsets: [0, 2 ** 42] } }, four),
      fileOf({ a: { ...entry, shape: [-1, -1] } }, four),
      fileOf({ a: { ...entry, shape: [1.5], data_offsets: [0, 6] } }, four, four),
      fileOf({ a: { ...entry, data_offsets: ["0", "4"] } }, four),
      fileOf({ a: entry, b: entry, c: { ...entry, data_offsets: [8, 12] } }, four, four, four),
      fileOf({ a: entry, b: { ...entry, data_offsets: [8, 12] } }, four, four, four),
      new Blob([new BigUint64Array([4n]), "{..}"]),
      new Blob([new BigUint64Array([4n]), "null"]),
      new Blob([new BigUint64Array([2n ** 63n]), "{}"]),
    ];
    for (const file of wrong) {
      await expect(openSafetensors(file, "x")).rejects.toThrow(/^x is corrupt or truncated/);
    }
  });
});

test("reads a tensor that lies beyond 4 GiB", async () => {
  // sparse: the hole takes no space on disk
  const path = join(folder, "large.safetensors");
  const holeBytes = 5 * 2 ** 30;
  const header = {
    hole: { dtype: "U8", shape: [holeBytes], data_offsets: [0, holeBytes] },
    tail: { dtype: "F32", shape: [2], data_offsets: [holeBytes, holeBytes + 8] },
  };
  const head = await fileOf(header).bytes();
  const file = await open(path, "w");
  await file.write(head, 0, head.length, 0);
  await file.write(Float32Array.of(3, 4), 0, 8, head.length + holeBytes);
  await file.close();
  const tensors = await openSafetensors(Bun.file(path), path);
  expect(await readTensor(tensors, "tail")).toEqual(Float32Array.of(3, 4));
});

describe("requireTensors", () => {
  const expected = new Map([
    ["a", [2, 3]],
    ["empty", [0, 4]],
    ["b", [1]],
  ]);

  test("accepts exactly the expected ones, and what is derived", async () => {
    const stored = await openSafetensors(await encoded(), "x");
    const [tensor] = stored.values();
    stored.set("model.layers.0.self_attn.rotary_emb.inv_freq", tensor);
    requireTensors(stored, expected, "x");
  });

  test("names what is missing, superfluous and misshapen", async () => {
    const stored = await openSafetensors(await encoded(), "x");
    const other = new Map<string, number[]>([...expected, ["a", [3, 2]], ["c", [1]]]);
    other.delete("b");
    expect(() => requireTensors(stored, other, "x.safetensors")).toThrow(
      "x.safetensors does not fit its config.json: missing: c; not expected: b; " +
        "of another shape: a is [2,3], expected [3,2]",
    );
  });

  test("a long list is cut", () => {
    const many = new Map(Array.from({ length: 30 }, (_, i) => [`t${i}`, [1]]));
    expect(() => requireTensors(new Map(), many, "x")).toThrow(
      /missing: t0, t1, t2, t3 and 26 more$/,
    );
  });
});
