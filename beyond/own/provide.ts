import { provideModule } from "#platform/modules.ts";

/**
 * From now on `import ... from "rlexplore"` finds what is built in, in every file that is loaded: also in a folder
 * without packages, and by the executable. Nothing of it is read before the first such import.
 */
export const provideBuiltIns = () => provideModule("rlexplore", () => import("./module.ts"));
