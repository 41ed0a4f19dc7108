// y += x W^T, as LoRA adds it to the frozen product. store.wgsl says what the function is for.
fn result(at: u32, added: u32, product: Output) -> Output { return Output(y[at]) + product; }
