/** Files of own code in a folder of their own, which has nothing else in it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class OwnFiles {
  readonly folder = mkdtempSync(join(tmpdir(), "rlexplore-own-"));
  private count = 0;

  /** Writes a file under a name that no other has, for a module is loaded but once. */
  write(code: string, name = `own${this.count++}.ts`): string {
    const path = join(this.folder, name);
    writeFileSync(path, code);
    return path;
  }

  remove() {
    rmSync(this.folder, { recursive: true });
  }
}
