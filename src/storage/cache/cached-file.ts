// One file of the cache: its data, and the journal that says which pieces of it can be trusted.

import { TernionError } from '../../errors';
import { createXxHash64, type XxHash64 } from '../hashing/xxhash64';
import { PIECE_BYTES, pieceLength } from '../http/pieces';
import type { CacheFolder, StoredFile } from './cache-folder';
import { dataName, journalName, removeEntry } from './entries';
import { bytesOf, JournalWriter, type CacheEntry, type CacheHeader } from './journal';

/** A checkpoint is made after so many bytes or milliseconds: a crash of the browser costs no more than this. */
const CHECKPOINT_BYTES = 16 << 20;
const CHECKPOINT_MS = 1000;
/** So many pieces stay in memory: a read often goes on in the piece where the last one ended, or in one just written. */
const RECENT_PIECES = 4;

/** A file's pieces on disk. Who opens one holds its lock (`lockName` in cache.ts), which keeps other tabs away. */
export class CachedFile {
  readonly #sums: Map<number, string>;
  readonly #recent = new Map<number, Uint8Array>();
  /** Pieces that were written since the last checkpoint: the journal does not vouch for them yet. */
  #unsafe: [index: number, sum: string][] = [];
  #unsafeBytes = 0;
  #lastCheckpoint = performance.now();

  private constructor(
    private readonly header: CacheHeader,
    private readonly data: StoredFile,
    /** Where to write what came; or, for a file that is open for reading, how to open its journal. */
    private readonly journal: JournalWriter | (() => Promise<JournalWriter>),
    private readonly sum: XxHash64,
    entry: CacheEntry | undefined,
  ) {
    this.#sums = new Map(entry?.sums);
  }

  /** Opens a file to read it, and to add the pieces that `entry` does not have yet; without `entry`, all of them. */
  static async openForWriting(
    folder: CacheFolder,
    key: string,
    header: CacheHeader,
    entry: CacheEntry | undefined,
  ): Promise<CachedFile> {
    if (!entry) await removeEntry(folder, key);
    const sum = await createXxHash64();
    const data = await folder.open(dataName(key));
    try {
      const file = await folder.open(journalName(key));
      try {
        return new CachedFile(header, data, new JournalWriter(file, header, entry), sum, entry);
      } catch (error) {
        file.close();
        throw error;
      }
    } catch (error) {
      data.close();
      throw error;
    }
  }

  /** Opens a complete file; undefined if its data is gone. */
  static async openForReading(
    folder: CacheFolder,
    key: string,
    entry: CacheEntry,
  ): Promise<CachedFile | undefined> {
    const data = await folder.openReadable(dataName(key));
    if (!data) return undefined;
    const journal = async (): Promise<JournalWriter> =>
      new JournalWriter(await folder.open(journalName(key)), entry, entry);
    return new CachedFile(entry, data, journal, await createXxHash64(), entry);
  }

  /** Whether a piece is on disk. */
  has(index: number): boolean {
    return this.#sums.has(index);
  }

  /** Bytes of the pieces that are on disk. */
  get bytes(): number {
    return bytesOf({ size: this.header.size, sums: this.#sums });
  }

  /** The bytes of a piece that is on disk; not to be written to. Rejects with `corrupt-file` if they are damaged. */
  async get(index: number): Promise<Uint8Array> {
    const recent = this.#recent.get(index);
    if (recent) return recent;
    const length = pieceLength(this.header.size, index);
    const bytes = await this.#read(index, length);
    if (bytes?.length !== length || this.sum(bytes) !== this.#sums.get(index)) {
      throw new TernionError('corrupt-file', 'The cached copy of the model is damaged. Load it again.');
    }
    this.#remember(index, bytes);
    return bytes;
  }

  /** Takes a piece over. Throws where there is no room for it. */
  put(index: number, bytes: Uint8Array): void {
    this.data.write(index * PIECE_BYTES, bytes);
    const sum = this.sum(bytes);
    this.#sums.set(index, sum);
    this.#unsafe.push([index, sum]);
    this.#unsafeBytes += bytes.length;
    this.#remember(index, bytes);
    const due = performance.now() - this.#lastCheckpoint >= CHECKPOINT_MS;
    if (due || this.#unsafeBytes >= CHECKPOINT_BYTES) this.checkpoint();
  }

  /** Makes what came safe: first the data, and then the journal that vouches for it. */
  checkpoint(): void {
    this.#lastCheckpoint = performance.now();
    if (!(this.journal instanceof JournalWriter) || this.#unsafe.length === 0) return;
    this.data.flush();
    this.journal.append({ pieces: this.#unsafe });
    this.#unsafe = [];
    this.#unsafeBytes = 0;
  }

  /** Remembers that the whole file has this SHA-256. */
  async verified(sha256: string): Promise<void> {
    if (this.journal instanceof JournalWriter) {
      this.checkpoint();
      return this.journal.append({ sha256 });
    }
    try {
      const journal = await this.journal();
      journal.append({ sha256 });
      journal.close();
    } catch {
      // Another tab is at it, or there is no room: the next load computes the hash again.
    }
  }

  /** Closes the files. What could not be made safe any more is not in the journal, and will be downloaded again. */
  close(): void {
    try {
      this.checkpoint();
    } catch {
      // No room: the journal stays as it was.
    } finally {
      this.#recent.clear();
      if (this.journal instanceof JournalWriter) this.journal.close();
      this.data.close();
    }
  }

  async #read(index: number, length: number): Promise<Uint8Array | undefined> {
    try {
      return await this.data.read(index * PIECE_BYTES, length);
    } catch {
      // Removed, or changed by somebody who does not know our locks.
      return undefined;
    }
  }

  #remember(index: number, bytes: Uint8Array): void {
    this.#recent.set(index, bytes);
    if (this.#recent.size > RECENT_PIECES) this.#recent.delete(this.#recent.keys().next().value!);
  }
}
