/** The project's files of code, and what each takes in: by import, types included, or by a shader's include. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";

const root = resolve(import.meta.dir, "..");

const read = (file: string) => readFileSync(join(root, file), "utf8");

/** Files of TypeScript and WGSL that lie in these folders, or are these files. */
export function codeIn(...places: string[]): string[] {
  return places.flatMap((place) => {
    if (place.endsWith(".ts")) return [place];
    const glob = new Bun.Glob(`${place}/**/*.{ts,wgsl}`);
    return [...glob.scanSync({ cwd: root })].map((path) => path.replaceAll("\\", "/")).sort();
  });
}

const IMPORT =
  /^\s*(?:import|export)\b(?:[^;"']*?\bfrom)?\s*"([^"]+)"|\bimport\(\s*"([^"]+)"|\bnew URL\(\s*"(\.[^"]+)"/gm;
const INCLUDE = /^\/\/ include "([^"]+)"/gm;

/** What a file takes in under a runtime, in its order: paths from the root, or the names of packages. */
export function importsOf(file: string, runtime = "bun"): string[] {
  const text = read(file);
  if (file.endsWith(".wgsl")) {
    // a shader includes files beside it, and the core's
    return [...text.matchAll(INCLUDE)].map(([, name]) => {
      const beside = posix.join(dirname(file), name);
      return existsSync(join(root, beside)) ? beside : posix.join("shaders", name);
    });
  }
  return [...text.matchAll(IMPORT)].map(([, ...names]) => {
    const name = names.find((one) => one !== undefined) ?? "";
    if (name.startsWith("#platform/"))
      return name.replace("#platform", `beyond/platform/${runtime}`);
    return name.startsWith(".") ? posix.join(dirname(file), name) : name;
  });
}

export const linesOf = (file: string): number => read(file).split("\n").length - 1;

/**
 * The groups of these files that take each other in, directly or through others: none if there is no circle
 * (Tarjan 1972). A file comes after all that it takes in, which the order of `order` says.
 */
export function circlesIn(files: readonly string[]): { circles: string[][]; order: string[] } {
  const known = new Set(files);
  const place = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const circles: string[][] = [];
  const order: string[] = [];
  const visit = (file: string): number => {
    place.set(file, place.size);
    let low = place.size - 1;
    stack.push(file);
    for (const taken of importsOf(file).filter((name) => known.has(name))) {
      if (!place.has(taken)) low = Math.min(low, visit(taken));
      else if (stack.includes(taken)) low = Math.min(low, place.get(taken) ?? 0);
    }
    lowest.set(file, low);
    if (low === place.get(file)) {
      const circle = stack.splice(stack.indexOf(file));
      if (circle.length > 1 || importsOf(file).includes(file)) circles.push(circle);
    }
    order.push(file);
    return low;
  };
  for (const file of files) if (!place.has(file)) visit(file);
  return { circles, order };
}
