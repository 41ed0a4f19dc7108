/** Files imported `with { type: "file" }`: a path, inside the executable once compiled. */
declare module "*.safetensors" {
  const path: string;
  export default path;
}
declare module "*.tar.br" {
  const path: string;
  export default path;
}
declare module "*.dll" {
  const path: string;
  export default path;
}
/** The bridge to Ray, imported `with { type: "text" }`. */
declare module "*.py" {
  const source: string;
  export default source;
}
/** Style and script of the report's page, imported `with { type: "text" }`. */
declare module "*.css" {
  const source: string;
  export default source;
}
declare module "*.txt" {
  const source: string;
  export default source;
}
