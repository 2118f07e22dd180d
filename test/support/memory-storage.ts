// The cache in memory: a folder that can crash and fill up as a real one does, and locks as between tabs.
import { TernionError, throwIfAborted } from '../../src/errors';
import { NoCache } from '../../src/storage/cache/cache';
import type { CacheFolder, StoredFile } from '../../src/storage/cache/cache-folder';
import type { SharedFiles } from '../../src/storage/cache/shared-files';
import type { StorageEnvironment } from '../../src/storage/sources/environment';
import type { Locks } from '../../src/storage/cache/locks';
import { DEFAULT_POLICY, type NetworkPolicy } from '../../src/storage/http/network';

/** A file's bytes, and what was written to it since it was last flushed. */
interface FileState {
  bytes: Uint8Array<ArrayBuffer>;
  unsafe: { at: number; bytes: Uint8Array }[];
  /** The bytes as they were at the last flush, in memory of their own: writes change `bytes` in place. */
  safe: Uint8Array<ArrayBuffer>;
  /** It was cut since the last flush: what is unsafe no longer says all that has changed. */
  cut: boolean;
  open: boolean;
}

/** A folder in memory. */
export class MemoryFolder implements CacheFolder {
  readonly files = new Map<string, FileState>();
  /** Bytes that all files together may have. */
  quota = Infinity;
  /** Called before each write and flush; may throw, or crash the folder. */
  onWrite: () => void = () => {};

  async list(): Promise<string[]> {
    return [...this.files.keys()];
  }

  async open(name: string): Promise<StoredFile> {
    let file = this.files.get(name);
    if (file?.open) throw new DOMException('the file is open already', 'NoModificationAllowedError');
    if (!file)
      this.files.set(
        name,
        (file = { bytes: new Uint8Array(), unsafe: [], safe: new Uint8Array(), cut: false, open: true }),
      );
    file.open = true;
    return new MemoryFile(this, file, true);
  }

  async openReadable(name: string): Promise<StoredFile | undefined> {
    const file = this.files.get(name);
    return file && new MemoryFile(this, file, false);
  }

  async remove(name: string): Promise<void> {
    if (this.files.get(name)?.open) throw new DOMException('the file is open', 'NoModificationAllowedError');
    this.files.delete(name);
  }

  async freeBytes(): Promise<number> {
    return this.quota - this.used;
  }

  get used(): number {
    return [...this.files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** The state after the browser crashed: of what was not flushed, any part may be there, even half a write. */
  crashed(random: () => number): MemoryFolder {
    const after = new MemoryFolder();
    for (const [name, { safe, unsafe }] of this.files) {
      let bytes = safe.slice();
      for (const write of unsafe) {
        if (random() < 0.5)
          bytes = written(bytes, write.at, write.bytes.subarray(0, write.bytes.length * random()));
      }
      after.files.set(name, { bytes, unsafe: [], safe: bytes.slice(), cut: false, open: false });
    }
    return after;
  }
}

/**
 * `into`, which nobody else may hold, with `bytes` at `at`: in the same memory if there is room in it, else in twice as much, so that
 * a file that is written piece by piece is not copied for each of them.
 */
function written(into: Uint8Array<ArrayBuffer>, at: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = Math.max(into.length, at + bytes.length);
  const room = into.buffer.byteLength;
  const memory = length > room ? new Uint8Array(Math.max(length, 2 * room)) : new Uint8Array(into.buffer);
  if (length > room) memory.set(into);
  memory.set(bytes, at);
  return memory.subarray(0, length);
}

class MemoryFile implements StoredFile {
  constructor(
    private readonly folder: MemoryFolder,
    private readonly file: FileState,
    private readonly writable: boolean,
  ) {}

  get size(): number {
    return this.file.bytes.length;
  }

  async read(at: number, length: number): Promise<Uint8Array> {
    return this.file.bytes.slice(at, at + length);
  }

  write(at: number, bytes: Uint8Array): void {
    if (!this.writable) throw new Error('the file is open for reading only');
    this.folder.onWrite();
    const more = Math.max(0, at + bytes.length - this.file.bytes.length);
    if (this.folder.used + more > this.folder.quota) {
      throw new DOMException('no room', 'QuotaExceededError');
    }
    this.file.bytes = written(this.file.bytes, at, bytes);
    this.file.unsafe.push({ at, bytes: bytes.slice() });
  }

  truncate(size: number): void {
    this.file.bytes = this.file.bytes.slice(0, size);
    this.file.safe = this.file.safe.slice(0, size);
    this.file.cut = true;
  }

  flush(): void {
    this.folder.onWrite();
    const { file } = this;
    if (file.cut) file.safe = file.bytes.slice();
    else for (const { at, bytes } of file.unsafe) file.safe = written(file.safe, at, bytes);
    file.unsafe = [];
    file.cut = false;
  }

  close(): void {
    if (this.writable) this.file.open = false;
  }
}

interface Waiting {
  mode: LockMode;
  grant: () => void;
}

/** Locks in the order of the requests, as Web Locks are. */
export class MemoryLocks implements Locks {
  readonly #held = new Map<string, { modes: LockMode[]; queue: Waiting[] }>();

  async tryAcquire(name: string, mode: LockMode): Promise<(() => void) | undefined> {
    const { modes, queue } = this.#held.get(name) ?? { modes: [], queue: [] };
    const isFree = modes.length === 0 || (mode === 'shared' && !modes.includes('exclusive'));
    return queue.length === 0 && isFree ? this.acquire(name, mode) : undefined;
  }

  async acquire(name: string, mode: LockMode, signal?: AbortSignal): Promise<() => void> {
    // As with Web Locks, a signal may have fired before.
    throwIfAborted(signal);
    const lock = this.#held.get(name) ?? { modes: [], queue: [] };
    this.#held.set(name, lock);
    const next = (): void => {
      const first = lock.queue[0];
      const free = lock.modes.length === 0 || (first?.mode === 'shared' && !lock.modes.includes('exclusive'));
      if (!first || !free) return;
      lock.queue.shift();
      lock.modes.push(first.mode);
      first.grant();
      next();
    };
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        mode,
        grant: () =>
          resolve(() => {
            lock.modes.splice(lock.modes.indexOf(mode), 1);
            next();
          }),
      };
      lock.queue.push(waiting);
      signal?.addEventListener('abort', () => {
        const at = lock.queue.indexOf(waiting);
        if (at < 0) return;
        lock.queue.splice(at, 1);
        reject(new TernionError('aborted', 'The operation was aborted.'));
        next();
      });
      next();
    });
  }
}

/**
 * Figures for tests: little time between attempts. A server that is not silent on purpose has all the time it wants, or a
 * busy machine would look like a bad network.
 */
export const QUICK: NetworkPolicy = {
  ...DEFAULT_POLICY,
  attempts: 4,
  openAttempts: 3,
  backoffMs: 2,
  maxBackoffMs: 10,
  maxRetryAfterMs: 2000,
  stallMs: 60_000,
  validateMs: 60_000,
};

/** For servers that are silent on purpose. */
export const IMPATIENT: Partial<NetworkPolicy> = { stallMs: 300, validateMs: 300 };

/** A browser with the given cache; without one, with none. `shared` is what sites have in common. */
export function environment(
  cache?: { folder: MemoryFolder; locks?: Locks },
  policy: Partial<NetworkPolicy> = {},
  shared?: SharedFiles,
): StorageEnvironment {
  const locks = cache?.locks ?? new MemoryLocks();
  return {
    network: { fetch: (input, init) => fetch(input, init), policy: { ...QUICK, ...policy } },
    openCache: async () => (cache ? { folder: cache.folder, locks } : new NoCache('there is none')),
    shared,
  };
}
