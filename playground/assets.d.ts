/** Questions, imported `with { type: "text" }`. */
declare module "*.jsonl" {
  const text: string;
  export default text;
}
