import { modelFile } from "#platform/assets.ts";
import { type ModelFolder, openModel, type Wanted } from "./folder.ts";

/** Opens the small model inside the program, which knows sums such as 23+7-4+9= and nothing else. */
export function openEmbeddedModel(options: Wanted = {}): Promise<ModelFolder> {
  return openModel("the embedded model", modelFile, options);
}
