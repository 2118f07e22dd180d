// Files of the disk as the loader takes them.

import { open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { checkRange, type ByteSource } from '../src/files/byte-source';
import type { ModelFiles } from '../src/files/model-files';

/** A file that is open until `close`. */
export interface OpenFile {
  source: ByteSource;
  close: () => Promise<void>;
}

/** Opens one file. */
export async function openFile(path: string): Promise<OpenFile> {
  if (!(await stat(path)).isFile()) throw new Error(`${path} is no file.`);
  const file = await open(path);
  const { size } = await file.stat();
  const source: ByteSource = {
    size,
    async read(offset, length) {
      checkRange(size, offset, length);
      const { buffer } = await file.read(new Uint8Array(length), 0, length, offset);
      return buffer;
    },
  };
  return { source, close: () => file.close() };
}

/** A model on the disk: the file at `path`, and those beside it if it needs them. */
export async function openModelFiles(
  path: string,
): Promise<{ files: ModelFiles; close: () => Promise<void> }> {
  const main = await openFile(path);
  const opened = [main];
  const files: ModelFiles = {
    main: { name: basename(path), bytes: main.source },
    async sibling(name) {
      const beside = join(dirname(path), name);
      if (!(await stat(beside).catch(() => undefined))?.isFile()) return undefined;
      const file = await openFile(beside);
      opened.push(file);
      return file.source;
    },
  };
  return { files, close: async () => void (await Promise.all(opened.map((file) => file.close()))) };
}
