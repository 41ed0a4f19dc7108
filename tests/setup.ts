import { setDefaultTimeout } from "bun:test";

// GPU tests share two software cores; one test may need minutes there.
setDefaultTimeout(300_000);
