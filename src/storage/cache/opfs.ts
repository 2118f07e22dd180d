// The cache folder in a browser: the origin's private file system (OPFS).

import type { CacheFolder, StoredFile } from './cache-folder';

const FOLDER = 'ternion-models';

/** Whether this browser has an OPFS, though it may keep it shut (private windows). Node has none. */
export function hasOpfs(): boolean {
  return typeof globalThis.navigator?.storage?.getDirectory === 'function';
}

/** The folder of cached models. Rejects where there is no OPFS, or the browser keeps it shut. */
export async function openOpfsFolder(): Promise<CacheFolder> {
  if (!hasOpfs()) throw new Error('this browser has no private file system');
  const root = await navigator.storage.getDirectory();
  return new OpfsFolder(await root.getDirectoryHandle(FOLDER, { create: true }));
}

/** Whether files can be written piece by piece here: in workers only. */
export function canWriteOpfs(): boolean {
  return typeof FileSystemFileHandle === 'function' && isWritable(FileSystemFileHandle.prototype);
}

/** A file that is open in this worker. (TypeScript's DOM library leaves out what only workers have.) */
interface SyncHandle {
  getSize(): number;
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

interface WorkerFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(options?: { mode: 'readwrite' | 'read-only' }): Promise<SyncHandle>;
}

function isWritable(handle: FileSystemFileHandle): handle is WorkerFileHandle {
  return 'createSyncAccessHandle' in handle;
}

class OpfsFolder implements CacheFolder {
  constructor(private readonly folder: FileSystemDirectoryHandle) {}

  async list(): Promise<string[]> {
    const names: string[] = [];
    for await (const name of this.folder.keys()) names.push(name);
    return names;
  }

  async open(name: string): Promise<StoredFile> {
    const handle = await this.folder.getFileHandle(name, { create: true });
    if (!isWritable(handle)) throw new Error('files can be written in a worker only');
    return new SyncFile(await handle.createSyncAccessHandle());
  }

  async openReadable(name: string): Promise<StoredFile | undefined> {
    const handle = await unlessMissing(this.folder.getFileHandle(name));
    if (!handle) return undefined;
    if (isWritable(handle)) {
      try {
        // Browsers that do not know the mode open the file for one tab alone; other tabs then take the slower way below.
        return new SyncFile(await handle.createSyncAccessHandle({ mode: 'read-only' }));
      } catch {
        // Somebody else has it open.
      }
    }
    return new SnapshotFile(await handle.getFile());
  }

  async remove(name: string): Promise<void> {
    await unlessMissing(this.folder.removeEntry(name));
  }

  async freeBytes(): Promise<number> {
    const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
    return quota - usage;
  }
}

async function unlessMissing<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if ((error as Error).name === 'NotFoundError') return undefined;
    throw error;
  }
}

class SyncFile implements StoredFile {
  constructor(private readonly handle: SyncHandle) {}

  get size(): number {
    return this.handle.getSize();
  }

  async read(at: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, this.handle.read(bytes, { at }));
  }

  write(at: number, bytes: Uint8Array): void {
    // Where there is no room, Firefox writes less, and Chromium says 2³² − 8: a code of its own as a number without a sign.
    if (this.handle.write(bytes, { at }) !== bytes.length)
      throw new DOMException('There is no room for these bytes.', 'QuotaExceededError');
  }

  truncate(size: number): void {
    this.handle.truncate(size);
  }

  flush(): void {
    this.handle.flush();
  }

  close(): void {
    this.handle.close();
  }
}

/** A file as it is now, for reading. */
class SnapshotFile implements StoredFile {
  constructor(private readonly file: File) {}

  get size(): number {
    return this.file.size;
  }

  async read(at: number, length: number): Promise<Uint8Array> {
    return new Uint8Array(await this.file.slice(at, at + length).arrayBuffer());
  }

  write = readOnly;
  truncate = readOnly;
  flush(): void {}
  close(): void {}
}

function readOnly(): never {
  throw new Error('the file is open for reading only');
}
