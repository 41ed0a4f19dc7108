import { createHash } from "node:crypto";
import type { Hash } from "../runtime.ts";

export function sha256(): Hash {
  const native = createHash("sha256");
  const hash: Hash = {
    update(data) {
      native.update(data);
      return hash;
    },
    digest: () => native.digest("hex"),
  };
  return hash;
}
