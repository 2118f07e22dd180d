// A small JSON file in the origin's private file system, for what is worth keeping from one visit to the next.

import { hasOpfs } from './opfs';

/** Something that can be kept. `load` rejects if nothing readable is there. */
export interface JsonFile<Value> {
  load(): Promise<Value>;
  save(value: Value): Promise<void>;
}

/** The file `name` in OPFS; undefined where there is no OPFS (Node, some private windows). */
export function jsonFile<Value>(name: string): JsonFile<Value> | undefined {
  if (!hasOpfs()) return undefined;
  const open = async (create: boolean): Promise<FileSystemFileHandle> =>
    (await navigator.storage.getDirectory()).getFileHandle(name, { create });
  return {
    async load() {
      const file = await (await open(false)).getFile();
      return JSON.parse(await file.text()) as Value;
    },
    async save(value) {
      const writable = await (await open(true)).createWritable();
      await writable.write(JSON.stringify(value));
      await writable.close();
    },
  };
}
