// Opens a URL: from the cache if it is there whole, else as a download, which goes into the cache if there is one.

import { TernionError } from '../../errors';
import { blobSource, type ByteSource } from '../../files/byte-source';
import { hearProgress, keyOf, lockName, ProgressSender, type Cache } from '../cache/cache';
import { CachedFile } from '../cache/cached-file';
import { readEntry, removeEntry } from '../cache/entries';
import { PieceHash, verifySource } from './integrity';
import { bytesOf, isComplete, type CacheEntry, type CacheHeader } from '../cache/journal';
import { Retries, send, type HttpTarget, type Network } from '../http/network';
import { PieceSource } from './piece-source';
import type { FileProgress, ProgressMeter } from './progress';
import { askValidators, differ, openRemote, RemoteFile, type Opened } from '../http/remote-file';
import { collect } from './spool';

/** Where bytes came from. */
export interface SourceInfo {
  /** Whether the files are in the cache now: the next load needs no download. */
  cached: boolean;
  /** Why not, if they are not. */
  reason?: string;
}

/** A file that is open for reading. */
export interface OpenedFile {
  readonly bytes: ByteSource;
  readonly info: SourceInfo;
  /** Bytes that opening it again would have to download. */
  readonly missingBytes: number;
  /** Completes the cached copy and checks the hash. Rejects with `corrupt-file` if it is not the expected one. */
  finish(signal?: AbortSignal): Promise<void>;
  /** Lets go of the file. `error` is what the load failed with, if it did: bytes that are no model are not kept. */
  close(error?: unknown): Promise<void>;
}

/** What a URL is opened with. */
export interface RemoteOptions extends HttpTarget {
  /** URL of the model's main file. */
  model: string;
  sha256?: string | undefined;
  /** The cache, or why there is none. */
  cache: Cache | string;
  /** Wait until no other tab downloads the file (default); else it is opened without the cache then. */
  waits?: boolean | undefined;
  progress: ProgressMeter;
}

/** Opens the file at `options.url`. Rejects with `download-failed`, `invalid-argument` or `aborted`. */
export async function openUrl(
  network: Network,
  options: RemoteOptions,
  signal?: AbortSignal,
): Promise<OpenedFile> {
  const opener = new Opener(network, options, signal);
  const { cache } = options;
  if (typeof cache === 'string') return opener.uncached(cache);
  const key = await keyOf(options.url);
  try {
    return (await opener.complete(cache, key)) ?? (await opener.download(cache, key));
  } catch (error) {
    // What the network refused is refused; but a cache that does not work can be done without.
    if (error instanceof TernionError) throw error;
    return opener.uncached(`the cache failed: ${(error as Error).message}`);
  }
}

class Opener {
  constructor(
    private readonly network: Network,
    private readonly options: RemoteOptions,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** The file if the cache has all of it and the server has no other; undefined if not. */
  async complete(cache: Cache, key: string): Promise<OpenedFile | undefined> {
    const progress = this.options.progress;
    const release = await this.#lock(cache, key, 'shared');
    if (!release) return undefined;
    try {
      const entry = await readEntry(cache.folder, key);
      if (entry && isComplete(entry) && !(await this.#hasChanged(entry))) {
        const disk = await CachedFile.openForReading(cache.folder, key, entry);
        if (disk) {
          progress.file(entry.size, entry.size).done();
          const hash = await this.#hash(entry);
          const source = new PieceSource({ size: entry.size, policy: this.network.policy, disk, hash });
          return new PieceFile(source, undefined, { cache, key, release });
        }
      }
    } catch (error) {
      release();
      throw error;
    }
    release();
    return undefined;
  }

  /** The file as far as the cache has it, and the rest from the server. */
  async download(cache: Cache, key: string): Promise<OpenedFile> {
    const release = await this.#lock(cache, key, 'exclusive');
    if (!release) return this.uncached('another tab has the file in use');
    try {
      let entry = await readEntry(cache.folder, key);
      if (entry && (await this.#hasChanged(entry))) entry = undefined;
      const opened = entry ? this.#resumed(entry) : await openRemote(this.network, this.options, this.signal);
      const header = opened.kind === 'file' ? this.#header(opened.file) : undefined;
      const reason = header ? await roomFor(cache, header, entry) : NO_LENGTH;
      const disk = header && !reason ? await openDisk(cache, key, header, entry) : reason;
      if (disk instanceof CachedFile) {
        return await this.#downloading(opened, { cache, key, release, disk }, entry);
      }
      release();
      return await this.uncached(disk ?? NO_LENGTH, opened);
    } catch (error) {
      release();
      throw error;
    }
  }

  /** The file without a cache, for the given reason. `opened` is what the server said already. */
  async uncached(reason: string, opened?: Opened): Promise<OpenedFile> {
    const answer = opened ?? (await openRemote(this.network, this.options, this.signal));
    if (answer.kind === 'stream') return this.#spooled(answer, reason);
    return this.#downloading(answer, { reason }, undefined);
  }

  async #downloading(
    opened: Opened,
    kept: (Held & { disk: CachedFile }) | { reason: string },
    entry: CacheEntry | undefined,
  ): Promise<OpenedFile> {
    if (opened.kind === 'stream') throw new RangeError('A stream has no pieces');
    const { file, reply } = opened;
    const { size } = file.validators;
    const disk = 'disk' in kept ? kept.disk : undefined;
    const hash = await this.#hash(entry);
    const progress = this.options.progress.file(size, bytesOf(entry));
    const sender = 'key' in kept ? new ProgressSender(kept.key) : undefined;
    let loaded = bytesOf(entry);
    const source = new PieceSource({
      size,
      policy: this.network.policy,
      disk,
      remote: file,
      reply,
      hash,
      onReceived: (bytes) => {
        progress.received(bytes);
        sender?.send({ loaded: (loaded += bytes), total: size });
      },
    });
    if ('reason' in kept) return new PieceFile(source, progress, kept.reason);
    return new PieceFile(source, progress, kept, sender);
  }

  /** Reads a file of unknown length to its end. The browser keeps blobs where it sees fit, which for large ones is the disk. */
  async #spooled(opened: Opened, reason: string): Promise<OpenedFile> {
    const { network, options, signal } = this;
    const retries = new Retries(network.policy, options.url);
    const progress = options.progress.file(0, 0);
    let reply: Opened['reply'] | undefined = opened.reply;
    for (;;) {
      try {
        const answer = reply ?? (await send(network, options, {}, signal));
        reply = undefined;
        progress.set({ loaded: 0, total: 0 });
        const blob = await collect(answer, (bytes) => progress.received(bytes));
        progress.done();
        return openBytes(blobSource(blob), options.sha256, reason, blob.size);
      } catch (error) {
        await retries.failed(error, signal);
      }
    }
  }

  #header({ validators, ranges }: RemoteFile): CacheHeader {
    const { url, model } = this.options;
    return { version: 1, url, model, ranges, ...validators };
  }

  #resumed(entry: CacheEntry): Opened {
    const { size, etag, lastModified, ranges } = entry;
    const file = new RemoteFile(this.network, this.options, { size, etag, lastModified }, ranges);
    return { kind: 'file', file };
  }

  /** Whether the server has another file than the cache. Where it cannot be asked, the cache is right. */
  async #hasChanged(entry: CacheEntry): Promise<boolean> {
    const now = await askValidators(this.network, this.options, this.signal);
    return now !== undefined && differ(now, entry);
  }

  /** What computes the hash, unless none is expected, or it was computed when the file was cached. */
  async #hash(entry: CacheEntry | undefined): Promise<PieceHash | undefined> {
    const { sha256 } = this.options;
    if (sha256 === undefined || entry?.sha256 === sha256.toLowerCase()) return undefined;
    return PieceHash.expecting(sha256);
  }

  /** Undefined if it is another tab's and not to be waited for. */
  async #lock({ locks }: Cache, key: string, mode: LockMode): Promise<(() => void) | undefined> {
    if (this.options.waits === false) return locks.tryAcquire(lockName(key), mode);
    let waiting: FileProgress | undefined;
    const stopHearing = hearProgress(key, (state) => {
      waiting ??= this.options.progress.file(0, 0);
      waiting.set(state);
    });
    try {
      return await locks.acquire(lockName(key), mode, this.signal);
    } finally {
      stopHearing();
      waiting?.remove();
    }
  }
}

const NO_LENGTH = 'the server does not say how long the file is';

/** What a cached file holds while it is open. */
interface Held {
  cache: Cache;
  key: string;
  release: () => void;
}

/** A file in pieces, and the lock that goes with it. */
class PieceFile implements OpenedFile {
  constructor(
    private readonly source: PieceSource,
    private readonly progress: FileProgress | undefined,
    /** Its place in the cache, or why it has none. */
    private readonly held: Held | string,
    private readonly sender?: ProgressSender,
  ) {}

  get bytes(): ByteSource {
    return this.source;
  }

  get info(): SourceInfo {
    if (typeof this.held === 'string') return { cached: false, reason: this.held };
    const { diskFailure } = this.source;
    return diskFailure === undefined
      ? { cached: true }
      : { cached: false, reason: describeFailure(diskFailure) };
  }

  get missingBytes(): number {
    return this.source.size - this.source.keptBytes;
  }

  async finish(signal?: AbortSignal): Promise<void> {
    await this.source.finish(signal);
    this.progress?.done();
  }

  async close(error?: unknown): Promise<void> {
    await this.source.close();
    this.sender?.close();
    if (typeof this.held === 'string') return;
    const { cache, key, release } = this.held;
    const isNoModel =
      error instanceof TernionError && ['corrupt-file', 'unsupported-format'].includes(error.code);
    try {
      // Half a file that there is no room for only takes room from others.
      if (isNoModel || this.source.diskFailure !== undefined) await removeEntry(cache.folder, key);
    } catch {
      // Another tab has it open: it stays.
    } finally {
      release();
    }
  }
}

/** A file that is at hand: it is not cached, for the given reason. `missingBytes` is what it took to get it here. */
export function openBytes(
  bytes: ByteSource,
  sha256: string | undefined,
  reason: string,
  missingBytes = 0,
): OpenedFile {
  return {
    bytes,
    info: { cached: false, reason },
    missingBytes,
    finish: async (signal) => {
      if (sha256 !== undefined) await verifySource(bytes, sha256, signal);
    },
    close: async () => {},
  };
}

/** Why `header`'s file does not fit the storage; undefined if it does. */
async function roomFor(
  { folder }: Cache,
  header: CacheHeader,
  entry: CacheEntry | undefined,
): Promise<string | undefined> {
  const needed = header.size - bytesOf(entry);
  const free = await folder.freeBytes();
  if (needed <= free) return undefined;
  return `the file takes ${megabytes(needed)} of storage and the browser has ${megabytes(Math.max(0, free))} free`;
}

async function openDisk(
  { folder }: Cache,
  key: string,
  header: CacheHeader,
  entry: CacheEntry | undefined,
): Promise<CachedFile | string> {
  try {
    return await CachedFile.openForWriting(folder, key, header, entry);
  } catch (error) {
    return describeFailure(error);
  }
}

function describeFailure(error: unknown): string {
  const { name, message } = error as Error;
  if (name === 'QuotaExceededError') return 'the storage of this site is full';
  return `the cache could not be written: ${message}`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
