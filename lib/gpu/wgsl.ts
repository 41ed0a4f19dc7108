/**
 * What the host needs to know about a shader is read from the shader itself: its bindings, its
 * `Params` uniform and the bindings each entry point touches. The WGSL file stays the only place
 * where they are declared.
 */

export type Access = "read" | "read_write";
export interface Binding {
  name: string;
  index: number;
  access: Access;
}
export type ParamType = "u32" | "i32" | "f32";
export interface Param {
  name: string;
  type: ParamType;
}
export interface ShaderInterface {
  /** The bindings `entryPoint` reaches, directly or through the functions it calls, by index. */
  bindings: Binding[];
  /** Index of the binding of `Params`, or one that is free if the shader has none. */
  uniform: number;
  /** Fields of `struct Params`, four bytes each, in order; empty if the entry point uses none. */
  params: Param[];
  /** Of a workgroup. */
  invocations: number;
  /** Whether it repeats anything: how long a workgroup takes is then a matter of its parameters. */
  loops: boolean;
}

/** Texts by the names that shaders include them by. */
export type Files = Readonly<Record<string, string>>;

/**
 * A shader with the files that it, or one of them, names in lines `// include "row.wgsl"`; each comes once.
 * @throws Error naming a file that is not there
 */
export function include(source: string, files: Files, included = new Set<string>()): string {
  return source.replace(/^\/\/ include "(.+)"$/gm, (_, name: string) => {
    if (included.has(name)) return "";
    included.add(name);
    if (files[name] === undefined) throw new Error(`shader includes ${name}, which is not there`);
    return include(files[name], files, included);
  });
}

/** What is compiled: a shader with these constants. */
export const assemble = (source: string, constants: Readonly<Record<string, number>> = {}) =>
  directivesFirst(specialise(source, constants));

/** Moves `enable` directives to the front, where WGSL wants them: another file may stand before a shader. */
function directivesFirst(source: string): string {
  const directive = /^enable [^;]+;\n/gm;
  const directives = new Set(source.match(directive));
  return [...directives, source.replace(directive, "")].join("");
}

/**
 * Replaces `const NAME: u32 = 4u;`-style defaults of a shader, and unrolls the loops marked so.
 * Register tiles and function-scope arrays need literal sizes, which WGSL's `override` does not give.
 * @throws Error naming a constant that the source does not declare.
 */
export function specialise(source: string, constants: Readonly<Record<string, number>>): string {
  let text = source;
  for (const [name, value] of Object.entries(constants)) {
    const declaration = new RegExp(`const ${name}: (u32|f32|i32) = [^;]+;`);
    const match = declaration.exec(text);
    if (!match) throw new Error(`shader has no constant ${name}`);
    const literal =
      match[1] === "u32" ? `${value}u` : match[1] === "f32" ? `f32(${value})` : `${value}`;
    text = text.replace(declaration, `const ${name}: ${match[1]} = ${literal};`);
  }
  return unroll(text);
}

const UNROLL = "// unroll";
/** Rounds: with more, as of heads of 256, software adapters compile for minutes. */
const MOST_UNROLLED = 32;

/**
 * Writes out the loops of the form `for (var i = 0u; i < COUNT; i++) { ... }` that follow a line
 * `// unroll`, COUNT being a literal or a constant. A software adapter keeps arrays that a loop
 * variable indexes in memory; written out, their elements are registers. After `// unroll if once` that
 * is done to a loop of one round alone, and others stay loops, as do those of more than MOST_UNROLLED.
 */
function unroll(source: string): string {
  let text = source;
  for (let at = text.lastIndexOf(UNROLL); at >= 0; at = text.lastIndexOf(UNROLL)) {
    const start = text.indexOf("\n", at) + 1;
    const marker = text.slice(at, start);
    const loop = /^\s*for \(var (\w+) = 0u; \1 < (\w+); \1\+\+\) (?=\{)/.exec(text.slice(start));
    if (!loop) throw new Error(`no loop to unroll: ${text.slice(start).split("\n")[0].trim()}`);
    const [head, variable, count] = loop;
    const rounds = constantValue(source, count);
    if (rounds > (marker.includes("if once") ? 1 : MOST_UNROLLED)) {
      text = text.slice(0, at) + text.slice(start);
      continue;
    }
    const end = blockEnd(text, start + head.length);
    const body = text.slice(start + head.length, end);
    const name = new RegExp(`\\b${variable}\\b`, "g");
    let written = "";
    for (let i = 0; i < rounds; i++) {
      written += `${body.replace(name, `${i}u`)}\n`;
    }
    text = text.slice(0, at) + written + text.slice(end);
  }
  return text;
}

/** The value of a literal, of a constant, or of a product or quotient of such. */
function constantValue(source: string, expression: string): number {
  const [first, ...rest] = expression.trim().split(/\s*([*/])\s*/);
  let value = termValue(source, first);
  for (let i = 0; i < rest.length; i += 2) {
    const term = termValue(source, rest[i + 1]);
    value = rest[i] === "*" ? value * term : value / term;
  }
  return value;
}

function termValue(source: string, term: string): number {
  if (/^\d+u?$/.test(term)) return Number.parseInt(term, 10);
  const declared = new RegExp(`const ${term}: u32 = ([^;]+);`).exec(source);
  if (!declared) throw new Error(`${term} is no constant`);
  return constantValue(source, declared[1]);
}

/** Index after the block whose brace opens at `open`. */
function blockEnd(code: string, open: number): number {
  let depth = 0;
  let end = open;
  do {
    if (code[end] === "{") depth++;
    if (code[end] === "}") depth--;
    end++;
  } while (depth > 0 && end < code.length);
  return end;
}

/** The same lines, without what is said beside the code. */
export const withoutComments = (source: string) =>
  source
    .replace(/\/\/[^\n]*/g, "")
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]+/g, " "));

/** Reads the interface of one entry point out of WGSL source. */
export function reflect(source: string, entryPoint: string): ShaderInterface {
  const code = withoutComments(source);
  const words = reachableWords(functionBodies(code), entryPoint);
  const bindings: Binding[] = [];
  const storage =
    /@group\(0\)\s*@binding\((\d+)\)\s*var<storage,\s*(read|read_write)>\s*(\w+)\s*:/g;
  for (const [, index, access, name] of code.matchAll(storage)) {
    if (words.has(name)) bindings.push({ name, index: Number(index), access: access as Access });
  }
  const declared = /@binding\((\d+)\)\s*var<uniform>\s*(\w+)\s*:\s*Params\b/.exec(code);
  const taken = Array.from(code.matchAll(/@binding\((\d+)\)/g), ([, index]) => Number(index));
  const uniform = declared ? Number(declared[1]) : Math.max(-1, ...taken) + 1;
  const struct = /struct Params\s*\{([^}]*)\}/.exec(code);
  const params =
    declared && struct && words.has(declared[2])
      ? [...struct[1].matchAll(/(\w+)\s*:\s*(u32|i32|f32)/g)].map(([, name, type]) => ({
          name,
          type: type as ParamType,
        }))
      : [];
  const size = new RegExp(`@workgroup_size\\(([^)]*)\\)[^;{}]*?\\bfn\\s+${entryPoint}\\b`).exec(
    code,
  );
  const extents = (size?.[1] ?? "1").split(",").filter((extent) => extent.trim() !== "");
  const invocations = extents.reduce((product, each) => product * constantValue(code, each), 1);
  const loops = ["for", "while", "loop"].some((word) => words.has(word));
  return { bindings, uniform, params, invocations, loops };
}

function functionBodies(code: string): Map<string, string> {
  const bodies = new Map<string, string>();
  for (const match of code.matchAll(/\bfn\s+(\w+)\s*\(/g)) {
    const start = code.indexOf("{", match.index);
    bodies.set(match[1], code.slice(start, blockEnd(code, start)));
  }
  return bodies;
}

function reachableWords(bodies: Map<string, string>, entryPoint: string): Set<string> {
  if (!bodies.has(entryPoint)) throw new Error(`shader has no entry point ${entryPoint}`);
  const words = new Set<string>();
  const visited = new Set<string>();
  const queue = [entryPoint];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (visited.has(name)) continue;
    visited.add(name);
    for (const [word] of (bodies.get(name) ?? "").matchAll(/(?<![.\w])[A-Za-z_]\w*/g)) {
      words.add(word);
      if (bodies.has(word)) queue.push(word);
    }
  }
  return words;
}
