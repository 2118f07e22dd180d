// A file from a server that is open for reading, in pieces: it owns their source, and its place in the cache.

import { TernionError } from '../../errors';
import type { ByteSource } from '../../files/byte-source';
import { NoCache, notWritable, type Cache } from '../cache/cache';
import type { CachedFile } from '../cache/cached-file';
import { removeEntry } from '../cache/entries';
import type { CacheEntry } from '../cache/journal';
import type { ProgressSender } from '../cache/progress-channel';
import type { OpenedFile, SourceInfo } from './opened-file';
import type { PieceSource } from './piece-source';
import type { FileProgress } from './progress';

/** The place that an open file has in the cache. */
export interface CachePlace {
  cache: Cache;
  key: string;
  disk: CachedFile;
  /** What the cache had of the file when it was opened, if anything. */
  entry: CacheEntry | undefined;
  /** Gives back the file's lock. */
  release: () => void;
  /** Offers the file, whose hash was checked, to the storage that sites share; resolves to whether it was taken. */
  share?: ((file: ByteSource, signal: AbortSignal | undefined) => Promise<boolean>) | undefined;
}

/** A file in pieces, and its place in the cache, which it gives back when it is closed. */
export class PieceFile implements OpenedFile {
  #shared = false;

  constructor(
    private readonly source: PieceSource,
    private readonly place: CachePlace | NoCache,
    /** The progress of the download, unless there is nothing to download. */
    private readonly progress?: FileProgress,
    /** Tells other tabs of the download, if it goes into the cache. */
    private readonly sender?: ProgressSender,
  ) {}

  get bytes(): ByteSource {
    return this.source;
  }

  get info(): SourceInfo {
    const { diskFailure } = this.source;
    const place = diskFailure === undefined ? this.place : notWritable(diskFailure);
    return place instanceof NoCache ? { cached: false, reason: place.reason } : { cached: true };
  }

  get missingBytes(): number {
    return this.source.size - this.source.keptBytes;
  }

  async finish(signal?: AbortSignal): Promise<void> {
    await this.source.finish(signal);
    this.progress?.done();
    const { place } = this;
    // What the disk did not take is not there to be copied.
    if (place instanceof NoCache || !place.share || this.source.diskFailure !== undefined) return;
    this.#shared = await place.share(this.source, signal);
  }

  async close(error?: unknown): Promise<void> {
    await this.source.close();
    this.sender?.close();
    if (this.place instanceof NoCache) return;
    const { cache, key, release } = this.place;
    try {
      // Half a file that there is no room for only takes room from others, and so does one that all sites have.
      if (isNoModel(error) || this.source.diskFailure !== undefined || this.#shared) {
        await removeEntry(cache.folder, key);
      }
    } catch {
      // Another tab has it open: it stays.
    } finally {
      release();
    }
  }
}

/** Whether a load failed because the bytes are no model, which then need not be kept. */
function isNoModel(error: unknown): boolean {
  return error instanceof TernionError && ['corrupt-file', 'unsupported-format'].includes(error.code);
}
