import { describe, expect, test } from "bun:test";
import { Random } from "../../beyond/oracle/random.ts";
import { hasHalves } from "../../beyond/storage/precision.ts";
import { assemble } from "../../lib/gpu/wgsl.ts";
import { testGpu } from "../kernels.ts";
import { emulate, tintErrors } from "./subgroup-matrix.ts";

/** y[2 M, 2 N] = a b^T by four subgroups, one matrix of the result each; b in workgroup memory. */
const source = `
const DEPTH: u32 = 32u;
const M: u32 = 8u;
const N: u32 = 16u;
const K: u32 = 16u;
@group(0) @binding(0) var<storage, read> a: array<f32>;                // [2 M, DEPTH]
@group(0) @binding(1) var<storage, read> b: array<vec4f>;              // [2 N, DEPTH]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;          // [2 M, 2 N]
@group(0) @binding(3) var<storage, read_write> y_turned: array<vec4f>; // [2 N, 2 M]
enable f16;
enable subgroups;
enable subgroup_size_control;
enable chromium_experimental_subgroup_matrix;
var<workgroup> left: array<f16, 2u * M * DEPTH>;
var<workgroup> right: array<vec4h, 2u * N * DEPTH / 4u>;
alias Right = subgroup_matrix_right<f16, N, K>;
alias Result = subgroup_matrix_result<f32, N, M>;

fn multiply(sum: ptr<function, array<Result, 1>>, row: u32, column: u32) {
  for (var k = 0u; k < DEPTH; k += K) {
    let l = subgroupMatrixLoad<subgroup_matrix_left<f16, K, M>, row_major>(&left, row * DEPTH + k, DEPTH);
    let r = subgroupMatrixLoad<Right, col_major>(&right, (column * DEPTH + k) / 4u, DEPTH / 4u);
    (*sum)[0] = subgroupMatrixMultiplyAccumulate(l, r, (*sum)[0]);
  }
}

@compute @workgroup_size(128) @subgroup_size(32)
fn main(@builtin(local_invocation_index) index: u32, @builtin(subgroup_id) subgroup: u32) {
  for (var i = index; i < 2u * M * DEPTH; i += 128u) { left[i] = f16(a[i]); }
  for (var i = index; i < 2u * N * DEPTH / 4u; i += 128u) { right[i] = vec4h(b[i]); }
  workgroupBarrier();
  let row = subgroup / 2u * M;
  let column = subgroup % 2u * N;
  var sum: array<Result, 1>;
  multiply(&sum, row, column);
  subgroupMatrixStore<row_major>(&y, row * 2u * N + column, sum[0], 2u * N);
  subgroupMatrixStore<col_major>(&y_turned, (column * 2u * M + row) / 4u, sum[0], 2u * M / 4u);
}`;

test("Dawn compiles the shader, and finds what is wrong with another", async () => {
  const code = assemble(source);
  expect(await tintErrors(code, "main")).toEqual([]);
  const transposed = code.replace(
    "subgroup_matrix_left<f16, K, M>",
    "subgroup_matrix_left<f16, M, K>",
  );
  expect((await tintErrors(transposed, "main")).join()).toContain(
    "subgroupMatrixMultiplyAccumulate",
  );
});

describe("emulated", () => {
  test("the shader multiplies, from and to rows and columns", async () => {
    const gpu = await testGpu();
    const [rows, columns, depth] = [16, 32, 32];
    const random = new Random(42);
    const a = random.normal(rows * depth).map(Math.f16round);
    const b = random.normal(columns * depth).map(Math.f16round);
    const tensors = Object.fromEntries(
      Object.entries({
        a: rows * depth,
        b: columns * depth,
        y: rows * columns,
        y_turned: rows * columns,
      }).map(([name, length]) => [name, gpu.allocate("buffers", name, length)]),
    );
    gpu.upload(tensors.a, Float32Array.from(a));
    gpu.upload(tensors.b, Float32Array.from(b));
    const kernel = gpu.commands.kernel(
      "emulated",
      emulate(assemble(source), hasHalves(gpu)),
      "main",
    );
    gpu.commands.dispatch(kernel, tensors, {}, [1]);
    const y = await gpu.read(tensors.y, new Float32Array(rows * columns));
    const turned = await gpu.read(tensors.y_turned, new Float32Array(rows * columns));
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let k = 0; k < depth; k++) sum += a[i * depth + k] * b[j * depth + k];
        expect(y[i * columns + j]).toBeCloseTo(sum, 4);
        expect(turned[j * rows + i]).toBe(y[i * columns + j]);
      }
    }
  });

  test("what it does not know is an error", () => {
    const emulated = (from: string, to: string) => () => emulate(source.replace(from, to), true);
    expect(emulated("left<f16, K, M>", "left<f16, M, K>")).toThrow("do not fit together");
    expect(emulated("&left,", "&left[0],")).toThrow("subgroupMatrixLoad is not emulated");
    expect(emulated("@builtin(local_invocation_index)", "@builtin(linear_index)")).toThrow(
      "subgroup_id without local_invocation_index",
    );
  });
});
