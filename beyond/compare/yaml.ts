import { readFileSync } from "node:fs";
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { watched } from "#platform/watchdog.ts";
import { UserError } from "../../lib/errors.ts";
import { diskError } from "../platform/files.ts";
import { messageOf } from "../terminal/quoted.ts";

/** A YAML file that knows where its keys are, so that what is wrong with one can be said in one line. */
export class YamlFile {
  readonly value: unknown;
  private readonly lines = new LineCounter();
  private readonly root: Node | null;

  constructor(readonly path: string) {
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch (error) {
      throw diskError(error, path);
    }
    const options = { lineCounter: this.lines, prettyErrors: false };
    const document = watched(path, () => parseDocument(text, options));
    const [error] = document.errors;
    if (error) throw this.error(error.pos[0], [], `${error.message}, which YAML does not allow`);
    this.root = document.contents;
    try {
      this.value = document.toJS();
    } catch (error) {
      // aliases of aliases, which would unfold to billions
      throw this.error(0, [], `${messageOf(error)}; write out what they stand for`);
    }
  }

  /** What is wrong with a key; the nearest key that is there gives the line. */
  problem(keys: readonly PropertyKey[], message: string): UserError {
    let node: Node | null = this.root;
    let at = node?.range?.[0] ?? 0;
    for (const key of keys) {
      if (isSeq(node)) {
        node = node.items[Number(key)] as Node;
        at = node.range?.[0] ?? at;
        continue;
      }
      const pair = isMap(node)
        ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key))
        : undefined;
      if (!pair) break;
      at = (pair.key as Node).range?.[0] ?? at;
      node = pair.value as Node | null;
    }
    return this.error(at, keys, message);
  }

  private error(at: number, keys: readonly PropertyKey[], message: string): UserError {
    const { line } = this.lines.linePos(at);
    const name = keys.length > 0 ? `${keys.map(String).join(".")}: ` : "";
    return new UserError(`${this.path}:${line}: ${name}${message}`);
  }
}
