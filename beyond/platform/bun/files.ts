export const fileBlob = (path: string): Blob => Bun.file(path);
