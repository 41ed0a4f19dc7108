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
  /** Fields of `struct Params`, four bytes each, in order; empty if the shader has none. */
  params: Param[];
  /** Binding index of the `Params` uniform, or -1 when the entry point does not use it. */
  paramsIndex: number;
}

/**
 * Replaces `const NAME: u32 = 4u;`-style defaults of a shader. Register tiles and function-scope
 * arrays need literal sizes, which WGSL's `override` does not give.
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
  return text;
}

/** Reads the interface of one entry point out of WGSL source. */
export function reflect(source: string, entryPoint: string): ShaderInterface {
  const code = source.replace(/\/\/[^\n]*/g, "").replace(/\/\*[\s\S]*?\*\//g, "");
  const words = reachableWords(functionBodies(code), entryPoint);
  const bindings: Binding[] = [];
  const storage =
    /@group\(0\)\s*@binding\((\d+)\)\s*var<storage,\s*(read|read_write)>\s*(\w+)\s*:/g;
  for (const [, index, access, name] of code.matchAll(storage)) {
    if (words.has(name)) bindings.push({ name, index: Number(index), access: access as Access });
  }
  const uniform = /@group\(0\)\s*@binding\((\d+)\)\s*var<uniform>\s*(\w+)\s*:\s*Params/.exec(code);
  const struct = /struct Params\s*\{([^}]*)\}/.exec(code);
  const used = uniform !== null && struct !== null && words.has(uniform[2]);
  const params = used
    ? [...struct[1].matchAll(/(\w+)\s*:\s*(u32|i32|f32)/g)].map(([, name, type]) => ({
        name,
        type: type as ParamType,
      }))
    : [];
  return { bindings, params, paramsIndex: used ? Number(uniform[1]) : -1 };
}

function functionBodies(code: string): Map<string, string> {
  const bodies = new Map<string, string>();
  for (const match of code.matchAll(/\bfn\s+(\w+)\s*\(/g)) {
    let depth = 0;
    let end = code.indexOf("{", match.index);
    const start = end;
    do {
      if (code[end] === "{") depth++;
      if (code[end] === "}") depth--;
      end++;
    } while (depth > 0 && end < code.length);
    bodies.set(match[1], code.slice(start, end));
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
