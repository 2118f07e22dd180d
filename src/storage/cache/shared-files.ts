// Files that this browser shares among sites, by their SHA-256: Cross-Origin Storage (https://wicg.github.io/cross-origin-storage/).

import { throwIfAborted } from '../../errors';
import type { ByteSource } from '../../files/byte-source';
import { PIECE_BYTES } from '../http/pieces';

/** Storage that sites have in common. Hashes are SHA-256 in hexadecimal. */
export interface SharedFiles {
  /** The file with this hash; undefined where the browser has none, or does not say. */
  find(sha256: string): Promise<Blob | undefined>;
  /**
   * Puts a file there, whose hash must be known to be this one. Resolves to whether the browser took it. Rejects with
   * `aborted`, and as reading the file does.
   */
  store(sha256: string, file: ByteSource, signal?: AbortSignal): Promise<boolean>;
}

/** The proposal, as far as it is used here. A file that is written cannot be read before it is closed. */
interface CrossOriginStorage {
  getFileHandle?(hash: FileHash, options?: CreateOptions): Promise<FileSystemFileHandle>;
  /** What `getFileHandle` was called until 2026. */
  requestFileHandle?(hash: FileHash, options?: CreateOptions): Promise<FileSystemFileHandle>;
}

interface FileHash {
  algorithm: 'SHA-256';
  /** In lower case: others are refused. */
  value: string;
}

interface CreateOptions {
  create: true;
  /** Who may read the file besides sites of the same domain: everybody, if it is a file that is known to be public. */
  origins: '*';
}

/** The Cross-Origin Storage of this browser, here (workers have it too); undefined where it has none. */
export function crossOriginStorage(): SharedFiles | undefined {
  const { navigator } = globalThis as { navigator?: { crossOriginStorage?: CrossOriginStorage } };
  const storage = navigator?.crossOriginStorage;
  return storage && new CrossOriginFiles(storage);
}

class CrossOriginFiles implements SharedFiles {
  constructor(private readonly storage: CrossOriginStorage) {}

  async find(sha256: string): Promise<Blob | undefined> {
    try {
      return await (await this.#handle(sha256)).getFile();
    } catch {
      // Not there, not for this site, being written, or forbidden by a policy: for a load it is all the same.
      return undefined;
    }
  }

  async store(sha256: string, file: ByteSource, signal?: AbortSignal): Promise<boolean> {
    throwIfAborted(signal);
    let writable: FileSystemWritableFileStream;
    try {
      const handle = await this.#handle(sha256, { create: true, origins: '*' });
      writable = await handle.createWritable();
    } catch {
      return false;
    }
    try {
      return await copy(file, writable, signal);
    } catch (error) {
      // Until then the browser takes the file to be on its way, and refuses it to other sites.
      await writable.abort().catch(() => {});
      throw error;
    }
  }

  #handle(sha256: string, options?: CreateOptions): Promise<FileSystemFileHandle> {
    const hash: FileHash = { algorithm: 'SHA-256', value: sha256.toLowerCase() };
    const { storage } = this;
    if (storage.getFileHandle) return storage.getFileHandle(hash, options);
    if (storage.requestFileHandle) return storage.requestFileHandle(hash, options);
    return Promise.reject(new TypeError('this browser has another Cross-Origin Storage'));
  }
}

/** Writes all of `file`. False if the browser refuses: no room, or the bytes have another hash. */
async function copy(
  file: ByteSource,
  writable: FileSystemWritableFileStream,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  for (let at = 0; at < file.size; at += PIECE_BYTES) {
    const bytes = await file.read(at, Math.min(PIECE_BYTES, file.size - at), { signal });
    if (!(await accepted(writable.write(bytes as Uint8Array<ArrayBuffer>)))) {
      await writable.abort().catch(() => {});
      return false;
    }
  }
  throwIfAborted(signal);
  return accepted(writable.close());
}

async function accepted(operation: Promise<void>): Promise<boolean> {
  return operation.then(
    () => true,
    () => false,
  );
}
