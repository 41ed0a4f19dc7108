/** A shader, imported `with { type: "text" }`. */
declare module "*.wgsl" {
  const source: string;
  export default source;
}

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
