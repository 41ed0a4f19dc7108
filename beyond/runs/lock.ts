import { existsSync } from "node:fs";
import { Database } from "#platform/sqlite.ts";
import { UserError } from "../../lib/errors.ts";
import { diskError } from "../platform/files.ts";

/** A run belongs to the process that writes it: held until that ends, however it ends. */
export class RunLock {
  private readonly lock: Database;

  /** @param ledger the path of the run's ledger, whether it has one or not */
  constructor(ledger: string) {
    try {
      this.lock = new Database(`${ledger}.lock`);
      // one who looks whether it is held holds it for a moment
      this.lock.run("PRAGMA busy_timeout = 300");
      this.lock.run("BEGIN EXCLUSIVE");
    } catch (error) {
      if ((error as { code?: string }).code !== "SQLITE_BUSY") throw diskError(error, ledger);
      throw new UserError(`${ledger} is in use: another rlexplore writes this run; stop it first`);
    }
  }

  close() {
    this.lock.close();
  }
}

/** Whether a process writes this run now; null where nobody can tell, since no lock was ever made. */
export function isWritten(ledger: string): boolean | null {
  if (!existsSync(`${ledger}.lock`)) return null;
  try {
    const lock = new Database(`${ledger}.lock`, { readonly: true });
    try {
      lock.query("SELECT * FROM sqlite_master").values();
    } finally {
      lock.close();
    }
  } catch (error) {
    return (error as { code?: string }).code === "SQLITE_BUSY";
  }
  return false;
}
