/** `imports` in deno.json says where such modules are. */
export const provideModule = (_name: string, _load: () => Promise<object>): void => {};
