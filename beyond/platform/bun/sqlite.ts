export { Database } from "../node/sqlite.ts";
