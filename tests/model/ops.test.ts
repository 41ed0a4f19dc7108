import { describe, expect, test } from "bun:test";
import { makeOps } from "../../beyond/kernels/ops.ts";
import { attention, rope, type SpanCase } from "../../beyond/oracle/cases/attention.ts";
import { headNorm, rmsnorm, swiglu } from "../../beyond/oracle/cases/layer.ts";
import {
  bias,
  gather,
  linearAdd,
  linearBackward,
  linearForward,
} from "../../beyond/oracle/cases/matrix.ts";
import { logprob } from "../../beyond/oracle/cases/vocabulary.ts";
import { Random } from "../../beyond/oracle/random.ts";
import { runCase } from "../../beyond/oracle/run-case.ts";
import { HALF_SUFFIX, selfTest } from "../../beyond/oracle/self-test.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import type { Commands } from "../../lib/gpu/commands.ts";
import mathSource from "../../shaders/math.wgsl" with { type: "text" };
import { expectCase, foldedOps, testCases, testGpu } from "../kernels.ts";
import { packGroups } from "../oracle/packing.ts";

const gpu = await testGpu();
const ops = makeOps(gpu, 16);

describe("linear", () => {
  // Workgroups make 32 rows by 64 columns, or 32 by 32 on SwiftShader.
  const shapes = [
    { T: 1, K: 4, N: 1 },
    { T: 5, K: 8, N: 3 },
    { T: 33, K: 68, N: 67 },
    { T: 67, K: 132, N: 130 },
    { T: 3, K: 20, N: 9, yStride: 24 },
    { T: 34, K: 12, N: 71, blockRows: 64, yStride: 80 },
    { T: 7, K: 36, N: 21, blockRows: 4, yStride: 24 },
  ];
  for (const shape of shapes) {
    const name = JSON.stringify(shape).replace(/"/g, "");
    const added = [undefined, "residual", "bias"] as const;
    const forward = added.map((what) => linearForward(shape, what));
    testCases(name, gpu, ops, [...forward, linearBackward(shape)]);
  }
  const added = [
    linearAdd({ T: 1, K: 4, N: 4 }, 4, 0),
    linearAdd({ T: 35, K: 16, N: 72 }, 200, 64),
  ];
  testCases("linear, scaled and added", gpu, ops, added);
  const biases = [
    { T: 1, N: 4 },
    { T: 128, N: 68 },
    { T: 300, N: 20 },
  ];
  testCases("gradients of biases", gpu, ops, biases.map(bias));
});

for (const lanes of [1, 64]) {
  describe(`rows shared by ${lanes}`, () => {
    const shared = makeOps(gpu, 16, { lanes });
    const shapes = [
      { T: 1, d: 4 },
      { T: 5, d: 12 },
      { T: 33, d: 64 },
      { T: 67, d: 132 },
      { T: 300, d: 20 }, // three chunks of rows
    ];
    testCases(
      "rmsnorm",
      gpu,
      shared,
      shapes.flatMap((shape) => rmsnorm(shape)),
    );
    testCases(
      "rmsnorm by 1 + w",
      gpu,
      makeOps(gpu, 16, { lanes }, { normOffset: 1 }),
      shapes.slice(1, 3).flatMap((shape) => rmsnorm(shape, "f32", 1)),
    );
    const heads = [
      headNorm({ T: 1, d: 4 }, { heads: 1, stride: 4, first: 0 }),
      headNorm({ T: 5, d: 12 }, { heads: 3, stride: 52, first: 8 }),
      headNorm({ T: 67, d: 64 }, { heads: 4, stride: 256, first: 0 }), // three chunks of rows
    ];
    testCases("norms of heads", gpu, shared, heads.flat());
    const vocabularies = [
      { M: 1, V: 1 },
      { M: 5, V: 7, block: 4 },
      { M: 33, V: 300, block: 64 },
      { M: 67, V: 2111, block: 1024 },
      { M: 3, V: 8201, block: 4100 }, // a row that more invocations share
    ];
    testCases(
      "logprob",
      gpu,
      shared,
      vocabularies.flatMap((shape) => logprob(shape)),
    );
    testCases("logprob, logits far apart", gpu, shared, logprob({ M: 9, V: 50, block: 8 }, 100));
  });
}

test("the log-probability of a token that is nearly certain keeps its digits", async () => {
  const logits = Float64Array.from({ length: 40 }, (_, i) => (i % 4 === 3 ? Math.ceil(i / 4) : -4));
  const expected = Array.from({ length: 10 }, (_, m) => -Math.log1p(3 * Math.exp(-5 - m)));
  const [forward] = logprob({ M: 10, V: 4 });
  forward.inputs = {
    logits: logits.map((l) => l * 0.75),
    target_token: new Uint32Array(10).fill(3),
  };
  forward.outputs.logprob.reference = Float64Array.from(expected);
  const results = await runCase(gpu, ops, forward);
  const { error } = results.find(({ output }) => output === "logprob") ?? { error: Number.NaN };
  expect(error).toBeLessThan(5e-7);
});

/** 67 tokens: completions of 1 to 20 tokens, a prompt of one token, a group of one. */
const packed = packGroups([
  { prompt: new Array(11).fill(0), completions: [1, 20, 7].map((n) => new Array(n).fill(0)) },
  { prompt: [0], completions: [3, 5].map((n) => new Array(n).fill(0)) },
  { prompt: new Array(6).fill(0), completions: [new Array(13).fill(0)] },
]);
const group = { spans: packed.spans, lastQuery: packed.lastQuery, rows: packed.tokens.length };
const alone = (T: number): Pick<SpanCase, "spans" | "lastQuery" | "rows"> => ({
  spans: Uint32Array.from({ length: 4 * T }, (_, i) => (i % 4 === 3 ? (i + 1) / 4 : 0)),
  lastQuery: new Uint32Array(T).fill(T),
  rows: T,
});
/** Three queries in caches of 50 rows: prompts in the front rows, each completion in its own. */
const decoding = {
  spans: Uint32Array.of(0, 17, 40, 41, 0, 17, 42, 49, 20, 21, 33, 33 + 5),
  rows: 50,
};

describe("rope and attention", () => {
  const spans = {
    group,
    decoding,
    "1 token": alone(1),
    "5 tokens": alone(5),
    "33 tokens": alone(33),
  };
  const heads = [
    { heads: 6, kvHeads: 3, headDim: 4 },
    { heads: 4, kvHeads: 4, headDim: 16 },
    { heads: 3, kvHeads: 1, headDim: 24 },
  ];
  for (const shape of heads) {
    const shaped = makeOps(gpu, shape.headDim);
    for (const [name, layout] of Object.entries(spans)) {
      const cases = [...rope({ ...layout, ...shape }), ...attention({ ...layout, ...shape })];
      const { heads, kvHeads, headDim } = shape;
      testCases(`${name}, ${heads} heads on ${kvHeads} of ${headDim}`, gpu, shaped, cases);
    }
  }
  const wide = { ...group, heads: 4, kvHeads: 2, headDim: 16 };
  for (const window of [1, 4, 12, 30]) {
    testCases(`a window of ${window}`, gpu, ops, attention({ ...wide, window }));
  }
  testCases("scores of a hundred and more", gpu, ops, attention(wide, { scale: 40 }));
});

describe("swiglu and gather", () => {
  const widths = [
    { T: 1, ff: 4 },
    { T: 5, ff: 12 },
    { T: 67, ff: 68 },
  ];
  testCases(
    "swiglu",
    gpu,
    ops,
    widths.flatMap((shape) => swiglu(shape)),
  );
  testCases(
    "swiglu where the sigmoid is 0 or 1",
    gpu,
    ops,
    swiglu({ T: 3, ff: 20 }, { scale: 100 }),
  );
  testCases("geglu", gpu, makeOps(gpu, 16, {}, { activation: "gelu" }), [
    ...widths.flatMap((shape) => swiglu({ ...shape, activation: "gelu" })),
    ...swiglu({ T: 3, ff: 20, activation: "gelu" }, { scale: 1000 }),
  ]);
  const tables = [
    { rows: 1, d: 4, M: 1 },
    { rows: 40, d: 12, M: 5 },
    { rows: 5, d: 68, M: 33 },
    { rows: 37, d: 8, M: 67, blockRows: 12 },
    { rows: 37, d: 8, M: 67, blockRows: 12, scale: 25.3 },
  ];
  testCases("gather", gpu, ops, tables.flatMap(gather));
});

test("grids folded into a second dimension compute the same", async () => {
  const folded = foldedOps(gpu, 16);
  const heads = { ...group, heads: 4, kvHeads: 2, headDim: 16 };
  const cases = [
    ...rope(heads),
    ...attention(heads),
    ...swiglu({ T: 31, ff: 68 }),
    ...gather({ rows: 70, d: 20, M: 71 }),
    ...rmsnorm({ T: 67, d: 12 }),
    ...logprob({ M: 67, V: 30, block: 16 }),
  ];
  for (const kernelCase of cases) await expectCase(gpu, folded, kernelCase);
});

test("what is not written, or written past the end, is found", async () => {
  const [forward] = swiglu({ T: 5, ff: 12 });
  const run = async (T: number) => {
    const dispatch: typeof forward.dispatch = (ops, { gate_up, a }) =>
      ops.swiglu.forward({ gate_up, a }, T, 12);
    const [{ error, worst }] = await runCase(gpu, ops, { ...forward, dispatch });
    return [error, worst.replace(/, reference.*/, "")];
  };
  expect(await run(4)).toEqual([Number.NaN, "[48] of 60 is NaN"]);
  expect(await run(6)).toEqual([Number.NaN, "[60] of 60 was written"]);
});

test("no kernel binds more storage buffers than the 8 that every adapter allows", async () => {
  const { commands } = gpu;
  const bound = new Map<string, number>();
  const kernel: Commands["kernel"] = (...given) => {
    const compiled = commands.kernel(...given);
    bound.set(compiled.label, compiled.interface.bindings.length);
    return compiled;
  };
  const counting = {
    kernel,
    read: commands.read.bind(commands),
    submit: commands.submit.bind(commands),
    dispatch: commands.dispatch.bind(commands),
  };
  // which runs every entry point there is: the next test
  await selfTest(Object.create(gpu, { commands: { value: counting } }));
  expect(bound.size).toBeGreaterThan(30);
  expect([...bound].filter(([, count]) => count > 8)).toEqual([]);
  expect(Math.max(...bound.values())).toBe(8);
});

/** Of a registered entry point or a label: the shader without its tile, its format and its lanes. */
const untiled = (name: string) => name.replace(/-\d+(x\d+)?(?=[./+])/, "");

test("the self-test dispatches every kernel that is registered for this adapter, and passes", async () => {
  const { variants } = gpu;
  const tiles = variants.tiles[variants.matmul].split(" ");
  const plain = variants.matmul === "plain" || tiles.some((tile) => tile.startsWith("subgroup"));
  const registered = makeOps(gpu, 16).kernels.names.filter((name) => {
    const [, family, tile] =
      /^matmul-(?:(tiled|lanes|matrix)-)?((?:subgroup-)?\d+x\d+)/.exec(name) ?? [];
    // other families' products, and tiles that this adapter does not use
    if (tile)
      return (family ?? "plain") === (plain ? "plain" : variants.matmul) && tiles.includes(tile);
    return !name.startsWith("matmul");
  });
  expect(registered.length).toBeGreaterThan(40);
  const checks = await selfTest(gpu);
  const dispatched = new Set(checks.flatMap(({ dispatched }) => dispatched).map(untiled));
  const missing = [...new Set(registered.map(untiled))].filter((name) => !dispatched.has(name));
  expect(missing).toEqual([]);
  const halves = checks.filter(({ kernel }) => kernel.endsWith(HALF_SUFFIX));
  expect(halves.length > 15).toBe(hasHalves(gpu));
  expect(checks.filter(({ passed }) => !passed)).toEqual([]);
});

test("the self-test says which kernel is wrong", async () => {
  const { commands } = gpu;
  const skipping = {
    kernel: commands.kernel.bind(commands),
    read: commands.read.bind(commands),
    submit: commands.submit.bind(commands),
    dispatch: ((kernel, ...rest) => {
      if (!kernel.label.startsWith("swiglu.backward")) commands.dispatch(kernel, ...rest);
    }) as Commands["dispatch"],
  };
  const results = await selfTest(Object.create(gpu, { commands: { value: skipping } }));
  const failed = results.filter(({ passed }) => !passed).map(({ kernel }) => kernel);
  const halves = hasHalves(gpu) ? [`swiglu.backward${HALF_SUFFIX}`] : [];
  expect(failed).toEqual(["swiglu.backward", ...halves]);
});

test("ln is within 2 units in the last place, near 1 as over the whole range", async () => {
  const near = Array.from({ length: 2000 }, (_, i) => 1 + (i - 1000) * 2 ** -23);
  const below = Array.from({ length: 1000 }, (_, i) => 1 - i * 2 ** -24);
  const random = new Random(11);
  const far = Array.from({ length: 5000 }, () => 2 ** (random.float() * 253 - 126));
  const x = Float32Array.from([...near, ...below, ...far, 2 ** -126, 3.4e38, 2 ** -24, 0.70710677]);
  const source = `${mathSource}
    @group(0) @binding(0) var<storage, read_write> values: array<f32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      if (id.x < arrayLength(&values)) { values[id.x] = ln(values[id.x]); }
    }`;
  const values = gpu.allocate("buffers", "ln", x.length);
  gpu.upload(values, x);
  const kernel = gpu.commands.kernel("ln", source, "main");
  gpu.commands.dispatch(kernel, { values }, {}, [Math.ceil(x.length / 64)]);
  const actual = await gpu.read(values, new Float32Array(x.length));
  let worst = 0;
  x.forEach((value, i) => {
    const reference = Math.log(value);
    const unit = 2 ** (Math.floor(Math.log2(Math.abs(reference) || 1)) - 23);
    worst = Math.max(worst, Math.abs(actual[i] - reference) / unit);
  });
  expect(worst).toBeLessThan(2);
  expect(actual[1000]).toBe(0);
});
