import { plugin } from "bun";

/** Not read before the first import of it. */
export function provideModule(name: string, load: () => Promise<object>): void {
  plugin({
    name,
    setup(build) {
      build.module(name, async () => ({ loader: "object", exports: { ...(await load()) } }));
    },
  });
}
