/** Questions, imported `with { type: "text" }`. */
declare module "*.jsonl" {
  const text: string;
  export default text;
}
/** Bun's threads have this, in modules that a page has its own in the place of. */
interface Worker {
  unref(): void;
}
