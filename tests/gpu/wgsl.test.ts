import { describe, expect, test } from "bun:test";
import { storeHalves } from "../../beyond/storage/storage-kernels.ts";
import { assemble, include, reflect, specialise } from "../../lib/gpu/wgsl.ts";

const source = `
// @group(0) @binding(9) var<storage, read> commented: array<f32>;
struct Params {
  rows: u32,      // T
  scale: f32,
  shift: i32,
}
/* struct Params { other: u32 } */
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0)
@binding(3) var<storage,read_write> partial : array<f32>;
@group(0) @binding(4) var<storage, read> width: array<u32>;

const TILE: u32 = 8u;
const EPSILON: f32 = 1e-6;
const SHIFT: i32 = -1;

struct Pair { width: u32, y: f32 }

fn inner(i: u32) -> f32 { return x[i].x; }
fn outer(i: u32) -> f32 {
  if (i > TILE) { return inner(i); }
  return params.scale;
}

@compute @workgroup_size(64)
fn deep(@builtin(global_invocation_id) id: vec3u) { partial[id.x] = outer(id.x); }

@compute @workgroup_size(1)
fn field() {
  var pair: Pair;
  pair.width = 1u;
  y[0] = pair.y;
}

@compute @workgroup_size(1) fn nothing() {}
`;

describe("reflect", () => {
  test("finds what an entry point reaches through the functions it calls", () => {
    expect(reflect(source, "deep")).toEqual({
      bindings: [
        { name: "x", index: 1, access: "read" },
        { name: "partial", index: 3, access: "read_write" },
      ],
      uniform: 0,
      params: [
        { name: "rows", type: "u32" },
        { name: "scale", type: "f32" },
        { name: "shift", type: "i32" },
      ],
      invocations: 64,
      loops: false,
    });
  });

  test("takes a field for no binding, and no parameters where none are used", () => {
    expect(reflect(source, "field")).toEqual({
      bindings: [{ name: "y", index: 2, access: "read_write" }],
      uniform: 0,
      params: [],
      invocations: 1,
      loops: false,
    });
    expect(reflect(source, "nothing").bindings).toEqual([]);
  });

  test("sees the loops of what an entry point calls", () => {
    const looping = source.replace(
      "-> f32 { return x[i].x",
      "-> f32 { loop { break; } return x[i].x",
    );
    expect(reflect(looping, "deep").loops).toBe(true);
    expect(reflect(looping, "field").loops).toBe(false);
  });

  test("counts the invocations of a workgroup", () => {
    const sized = (size: string) =>
      reflect(
        `const A: u32 = 3u;\nconst B: u32 = 2u * A / 3u;${source.replace("64", size)}`,
        "deep",
      );
    expect(sized("A").invocations).toBe(3);
    expect(sized("A * TILE, B, 5").invocations).toBe(240);
    expect(() => sized("C")).toThrow("C is no constant");
  });

  test("names an entry point that is not there", () => {
    expect(() => reflect(source, "absent")).toThrow("no entry point absent");
  });
});

describe("specialise", () => {
  test("replaces constants by their type and leaves the rest", () => {
    const special = specialise(source, { TILE: 4, EPSILON: 0.5, SHIFT: 3 });
    expect(special).toContain("const TILE: u32 = 4u;");
    expect(special).toContain("const EPSILON: f32 = f32(0.5);");
    expect(special).toContain("const SHIFT: i32 = 3;");
    expect(special.length - source.length).toBe("f32(0.5)3".length - "1e-6-1".length);
    expect(specialise(source, {})).toBe(source);
  });

  test("names a constant that is not declared", () => {
    expect(() => specialise(source, { TILES: 4 })).toThrow("no constant TILES");
  });

  test("unrolls the loops marked so, nested ones too", () => {
    const looping = `const WIDTH: u32 = 8u;
const VECTORS: u32 = WIDTH / 4u;
fn f() {
  // unroll
  for (var i = 0u; i < VECTORS; i++) {
    a[i] = ai;
    // unroll
    for (var j = 0u; j < 2u; j++) { b[i][j] = c; }
  }
  for (var i = 0u; i < VECTORS; i++) { d[i] = i; }
}`;
    const body = specialise(looping, { WIDTH: 12 }).replace(/\s+/g, "");
    const copies = [0, 1, 2].map((i) => `{a[${i}u]=ai;{b[${i}u][0u]=c;}{b[${i}u][1u]=c;}}`);
    expect(body).toContain(`fnf(){${copies.join("")}for(vari=0u;i<VECTORS;i++){d[i]=i;}}`);
  });

  test("unrolls a loop marked `if once` when it has one round", () => {
    const looping = `const N: u32 = 1u;
fn f() {
  // unroll if once
  for (var i = 0u; i < N; i++) {
    // unroll
    for (var j = 0u; j < 2u; j++) { a[i] = j; }
  }
}`;
    const body = (N: number) => specialise(looping, { N }).replace(/\s+/g, "");
    expect(body(1)).toContain("fnf(){{{a[0u]=0u;}{a[0u]=1u;}}}");
    expect(body(8)).toContain("fnf(){for(vari=0u;i<N;i++){{a[i]=0u;}{a[i]=1u;}}}");
  });

  test("refuses to unroll what it cannot", () => {
    const marked = (loop: string) => `fn f() {\n  // unroll\n  ${loop}\n}`;
    expect(() => specialise(marked("while (true) {}"), {})).toThrow("no loop to unroll: while");
    const unknown = marked("for (var i = 0u; i < N; i++) {}");
    expect(() => specialise(unknown, {})).toThrow("N is no constant");
  });
});

test("directives come first, once each, whatever stands before the shader", () => {
  const source =
    "const N: u32 = 1u;\nalias X = vec4f;\n@group(0) @binding(0) var<storage, read> x: array<X>;\n" +
    "enable subgroups;\nenable f16;\nfn f() {}\n";
  const code = assemble(storeHalves(source, ["x"]), { N: 2 });
  expect(code.split("\n").slice(0, 4)).toEqual([
    "enable f16;",
    "enable subgroups;",
    "const N: u32 = 2u;",
    "alias X = vec4h;",
  ]);
  expect(code.match(/enable/g)).toHaveLength(2);
});

test("includes each file once, and names one that is not there", () => {
  const files = { "a.wgsl": '// include "b.wgsl"\nfn a() {}', "b.wgsl": "fn b() {}" };
  const source = '// include "b.wgsl"\n// include "a.wgsl"\nfn c() {}';
  expect(include(source, files)).toBe("fn b() {}\n\nfn a() {}\nfn c() {}");
  expect(() => include('// include "c.wgsl"', files)).toThrow("c.wgsl, which is not there");
});
