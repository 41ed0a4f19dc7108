import { withoutComments } from "../../lib/gpu/wgsl.ts";

/**
 * A dispatch that takes too long for one submission is encoded as several, each of a part of its grid.
 * WebGPU has no way to let a grid begin elsewhere than at zero, so an entry point is told its place by its
 * uniform, before the parameters: where the part begins, and how large the whole is. The shader is written
 * as if there were no parts, and a workgroup computes the same in a part as in the whole.
 */

/** 32-bit words that a part takes in the uniform, laid out as PART_FIELDS. */
export const PART_WORDS = 7;
/** The words that tell a part's first workgroup begin here, and there those that tell the whole grid. */
export const FIRST_GROUP = 0;
export const ALL_GROUPS = 4; // a vec3u begins at a multiple of four words
const PART_FIELDS = "first_group: vec3u, all_groups: vec3u";

/**
 * The shader with an entry point that takes a part of its grid for what it is, line for line as it was.
 * @param uniform index of the binding that tells it, where the shader has its `Params` if it has any
 * @throws Error naming a builtin whose value in a part is not known
 */
export function inParts(source: string, entryPoint: string, uniform: number): string {
  let code = withoutComments(source);
  const declared = /var<uniform>\s*(\w+)\s*:\s*Params\b/.exec(code);
  const params = declared?.[1] ?? "params";
  if (declared) {
    code = code.replace(/struct Params\s*\{/, (opening) => `${opening} ${PART_FIELDS},`);
  } else {
    const variable = `@group(0) @binding(${uniform}) var<uniform> ${params}: Params;`;
    code += `struct Params { ${PART_FIELDS} } ${variable}\n`;
  }
  const entry = new RegExp(
    `(@workgroup_size\\(([^)]*)\\)[^;{}]*?\\bfn\\s+${entryPoint}\\s*\\()((?:@builtin\\(\\w+\\)|[^()])*)\\)\\s*\\{`,
  );
  code = code.replace(entry, (_, head: string, size: string, parameters: string) => {
    let places = "";
    const renamed = parameters.replace(
      /(?:@builtin\((\w+)\)\s*)?(\w+)(\s*:\s*)(\w+)/g,
      (parameter, builtin: string | undefined, name: string, colon: string, type: string) => {
        const given = `${name}_in_part`;
        if (builtin) {
          const value = inWhole(builtin, given, size, params);
          if (value === given) return parameter;
          places += ` let ${name} = ${value};`;
          return `@builtin(${builtin}) ${given}${colon}${type}`;
        }
        places += ` var ${name} = ${given};`;
        const fields = new RegExp(`struct ${type}\\s*\\{([^}]*)\\}`).exec(code)?.[1] ?? "";
        for (const [, builtin, field] of fields.matchAll(/@builtin\((\w+)\)\s*(\w+)/g)) {
          const place = `${name}.${field}`;
          places += ` ${place} = ${inWhole(builtin, place, size, params)};`;
        }
        return `${given}${colon}${type}`;
      },
    );
    return `${head}${renamed}) {${places}`;
  });
  return code;
}

/** What a builtin is in the whole grid, from what it is in a part of workgroups of this size. */
function inWhole(builtin: string, given: string, size: string, params: string): string {
  switch (builtin) {
    case "num_workgroups":
      return `${params}.all_groups`;
    case "workgroup_id":
      return `${given} + ${params}.first_group`;
    case "global_invocation_id": {
      const [x, y = "1", z = "1"] = size.split(",").map((extent) => extent.trim());
      return `${given} + ${params}.first_group * vec3u(${x}, ${y}, ${z})`;
    }
  }
  if (/^(local_invocation|subgroup|num_subgroups)/.test(builtin)) return given;
  throw new Error(`not known in parts of a grid: @builtin(${builtin})`);
}

/** The size of equal parts of at most `most`, or else of 1, that make up `count`. */
export const evenly = (count: number, most: number) =>
  Math.ceil(count / Math.ceil(count / Math.max(1, most)));
