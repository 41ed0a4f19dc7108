const BATCH = ["prompts-per-step", "rows-per-step"];
const EPOCHS = ["num-epochs", "num-train-epochs"];

/** Names other tools, or commands, use for what has another name here; the first that the command knows is meant. */
const SYNONYMS: Record<string, string | readonly string[]> = {
  epochs: EPOCHS,
  "num-epochs": EPOCHS,
  lr: "learning-rate",
  steps: "max-steps",
  "batch-size": BATCH,
  "group-size": "num-generations",
  "max-new-tokens": "max-completion-length",
  "max-tokens": "max-completion-length",
  "kl-coef": "beta",
  config: "subset",
  "dataset-config": "subset",
  "dataset-name": "data",
  "dataset-train-split": "split",
  "dataset-test-split": "eval-split",
  output: "output-dir",
  out: "output-dir",
  // TRL, transformers and PEFT
  "report-to": "tensorboard",
  "per-device-train-batch-size": BATCH,
  "gradient-accumulation-steps": "micro-batch-tokens",
  "reward-funcs": "outcome",
  "reward-weights": "reward",
  "model-name-or-path": "model",
  bf16: "dtype",
  fp16: "dtype",
  "torch-dtype": "dtype",
  "num-train-epochs": EPOCHS,
  "lora-r": "lora-rank",
  "lora-target-modules": "lora-targets",
};

/** What there is to know besides, of names that stand for more than one flag. */
export const REMARKS: Record<string, string> = {
  "report-to":
    ' (trackio.import_tf_events takes its files; W&B takes metrics.jsonl, as "Elsewhere" in docs/measuring.md says)',
};

/** The name nearest to what was typed (edit distance), if any is near. */
export function nearest(given: string, names: readonly string[]): string | null {
  const typed = given.replaceAll("_", "-");
  const synonym = [SYNONYMS[typed] ?? []].flat().find((name) => names.includes(name));
  if (synonym !== undefined) return synonym;
  const distances = names.map((name) => editDistance(typed, name));
  const best = distances.indexOf(Math.min(...distances));
  // a letter or two are near to every short name
  const near = typed.length > 2 && distances[best] <= Math.max(2, typed.length / 3);
  return near ? names[best] : null;
}

/** Levenshtein's distance, a swap of neighbours counting as one edit. */
function editDistance(a: string, b: string): number {
  let [before, row] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + cost);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    [before, row] = [row, next];
  }
  return row[b.length];
}
