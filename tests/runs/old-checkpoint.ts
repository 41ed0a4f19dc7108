import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Turns a checkpoint into one of version 0.1.0: the trainer's files among the model's, and a state without a check. */
export function layOutAsBefore(path: string): void {
  const trainer = join(path, "trainer");
  for (const name of ["optimizer.safetensors", "trainer_state.json"]) {
    renameSync(join(trainer, name), join(path, name));
  }
  rmSync(trainer, { recursive: true });
  const file = join(path, "trainer_state.json");
  const { check: _, files, ...stored } = JSON.parse(readFileSync(file, "utf8"));
  const { "trainer/optimizer.safetensors": optimizer, ...others } = files;
  const old = { ...stored, files: { ...others, "optimizer.safetensors": optimizer } };
  writeFileSync(file, JSON.stringify(old));
}
