export { sha256 } from "../node/hash.ts";
