/** A shader, imported `with { type: "text" }`. */
declare module "*.wgsl" {
  const source: string;
  export default source;
}
