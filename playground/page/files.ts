/** Files that a visitor drops or chooses. */
import type { Reading } from "../opener/opener.ts";
import type { GivenFile } from "../opener/runs.ts";

/** What the page reads of a run; its checkpoints may be large, and stay where they are. */
const WANTED = /(?:^|\/)(?:config\.json|metrics\.jsonl|ledger\.sqlite(?:-wal)?)$|\.html$/;

/** Folders within folders that are looked into: those of `compare` hold runs. */
const DEPTH = 3;

/** The wanted files of what was dropped, folders and all that is in them. */
export async function droppedFiles(items: DataTransferItemList): Promise<GivenFile[]> {
  const entries = [...items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  const found = await Promise.all(entries.map((entry) => filesIn(entry, entry.name, DEPTH)));
  return found.flat();
}

async function filesIn(entry: FileSystemEntry, path: string, depth: number): Promise<GivenFile[]> {
  if (entry.isFile) {
    if (!WANTED.test(path)) return [];
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    return [{ path, file }];
  }
  if (depth === 0) return [];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: GivenFile[] = [];
  for (;;) {
    // a browser tells some entries of a large folder at a time, and none at its end
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return files;
    const within = some.map((one) => filesIn(one, `${path}/${one.name}`, depth - 1));
    files.push(...(await Promise.all(within)).flat());
  }
}

/** The wanted ones among files that were chosen, by themselves or as a folder. */
export const chosenFiles = (files: FileList): GivenFile[] =>
  [...files]
    .map((file) => ({ path: file.webkitRelativePath || file.name, file }))
    .filter(({ path }) => WANTED.test(path));

/** Has a thread of its own read the runs among the files. */
export function readFiles(files: readonly GivenFile[]): Promise<Reading> {
  const opener = new Worker(new URL("opener.js", import.meta.url), { type: "module" });
  return new Promise<Reading>((resolve) => {
    opener.onmessage = ({ data }) => resolve(data);
    opener.onerror = ({ message }) => resolve({ problem: message || "the files cannot be read" });
    opener.postMessage(files);
  }).finally(() => opener.terminate());
}
