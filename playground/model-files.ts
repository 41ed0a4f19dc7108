/** The embedded model's weights, and the files that make a folder of them: they lie beside the page. */
export const WEIGHTS = "model.safetensors";
export const TEXTS = ["config.json", "tokenizer.json", "tokenizer_config.json"] as const;

/** The model, as it was loaded. */
export interface ModelFiles {
  weights: Blob;
  texts: Record<string, string>;
}

/** Loads it from wherever its files are. */
export async function loadModel(load: (name: string) => Promise<Blob>): Promise<ModelFiles> {
  const [weights, ...blobs] = await Promise.all([WEIGHTS, ...TEXTS].map(load));
  const texts = await Promise.all(blobs.map((blob) => blob.text()));
  return { weights, texts: Object.fromEntries(TEXTS.map((name, i) => [name, texts[i]])) };
}
