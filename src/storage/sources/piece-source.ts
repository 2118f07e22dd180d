// A file that comes in pieces, from a server or the cache or both, as bytes that can be read anywhere.

import { throwIfAborted, untilAborted } from '../../errors';
import { checkRange, type ByteSource, type ReadOptions } from '../../files/byte-source';
import type { CachedFile } from '../cache/cached-file';
import type { NetworkPolicy } from '../http/network';
import { PieceDownload, type DownloadHost } from '../http/piece-download';
import { PIECE_BYTES, pieceCount } from '../http/pieces';
import type { RemoteFile } from '../http/remote-file';
import type { Reply } from '../http/request';
import { breathe, type PieceHash } from './integrity';
import { MemoryPieces } from './memory-pieces';

/** Reading from the disk and hashing wait for nothing: after so long, messages and timers must have their turn. */
const BREATHE_MS = 30;

/** What a {@link PieceSource} is made of. */
export interface PieceSourceParts {
  size: number;
  policy: NetworkPolicy;
  /** Where pieces are kept. Without it they are in memory while they are needed. */
  disk?: CachedFile | undefined;
  /** Where the pieces come from that are not on disk, and an answer of the server that is there already. */
  remote?: RemoteFile | undefined;
  reply?: Reply | undefined;
  /** Computes the hash of the file, if it is to be checked. */
  hash?: PieceHash | undefined;
  /** Bytes came over the network. */
  onReceived?: ((bytes: number) => void) | undefined;
}

/** Reads as a `ByteSource` does, holds a bounded number of pieces in memory, and fetches ahead when it may. */
export class PieceSource implements ByteSource, DownloadHost {
  readonly size: number;
  readonly #memory = new MemoryPieces();
  readonly #count: number;
  readonly #download: PieceDownload | undefined;
  /** The piece that the reader is at. */
  #cursor = 0;
  #prefetching = false;
  #closed = false;
  #diskFailure: Error | undefined;
  #hashing: Promise<void> = Promise.resolve();
  #lastBreath = performance.now();

  constructor(private readonly parts: PieceSourceParts) {
    this.size = parts.size;
    this.#count = pieceCount(parts.size);
    const { remote, policy, reply } = parts;
    this.#download = remote && new PieceDownload(remote, this, policy, reply);
  }

  /** Bytes that are on disk. */
  get keptBytes(): number {
    return this.#keeps ? (this.parts.disk?.bytes ?? 0) : 0;
  }

  /** What went wrong when a piece was to be put on disk; from then on, pieces are in memory only. */
  get diskFailure(): Error | undefined {
    return this.#diskFailure;
  }

  async read(offset: number, length: number, { signal, ahead }: ReadOptions = {}): Promise<Uint8Array> {
    throwIfAborted(signal);
    checkRange(this.size, offset, length);
    if (length === 0) return new Uint8Array(0);
    const first = Math.floor(offset / PIECE_BYTES);
    const end = pieceCount(offset + length);
    if (!ahead) this.#moveTo(first);
    this.#download?.demand(first, end);
    if (end === first + 1) {
      const piece = await this.#piece(first, signal);
      const at = offset - first * PIECE_BYTES;
      return piece.subarray(at, at + length);
    }
    const bytes = new Uint8Array(length);
    for (let index = first; index < end; index++) {
      const piece = await this.#piece(index, signal);
      const at = index * PIECE_BYTES - offset;
      bytes.set(piece.subarray(Math.max(0, -at), length - at), Math.max(0, at));
    }
    return bytes;
  }

  prefetch(from: number, to: number): void {
    this.#prefetching = true;
    const { hash } = this.parts;
    const first = Math.floor(from / PIECE_BYTES);
    this.#moveTo(first);
    // A file that is kept or hashed is wanted whole. A disk takes pieces in any order, so those that the reader is about to
    // read come first; the hash needs them in the file's order.
    if (this.#keeps) this.#download?.prefetch(first, this.#count);
    else if (hash) this.#download?.prefetch(hash.next, this.#count);
    else this.#download?.prefetch(first, pieceCount(to));
    void this.#hashOn();
  }

  /**
   * Waits until all that is to be kept is on disk, and all that is to be hashed is hashed. Rejects with `corrupt-file` if
   * the hash is not the expected one, and as `read` does.
   */
  async finish(signal?: AbortSignal): Promise<void> {
    const { hash } = this.parts;
    this.#prefetching = true;
    this.#moveTo(this.#count);
    this.#download?.prefetch(this.#keeps ? 0 : (hash?.next ?? this.#count), this.#count);
    for (let index = 0; this.#keeps && index < this.#count; index++)
      await this.#download?.need(index, signal);
    while (hash && hash.next < this.#count) {
      throwIfAborted(signal);
      await this.#download?.need(hash.next, signal);
      await untilAborted(this.#hashOn(), signal);
    }
    const sha256 = hash?.check();
    if (this.#keeps) await this.#vouch(sha256);
  }

  /** Makes safe what is on disk. If there is no room to say so, the bytes are here all the same. */
  async #vouch(sha256: string | undefined): Promise<void> {
    const { disk } = this.parts;
    try {
      disk?.checkpoint();
      if (sha256 !== undefined) await disk?.verified(sha256);
    } catch (error) {
      this.#diskFailure = error as Error;
    }
  }

  /** Ends the download. What came is kept, where there is a disk for it. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#download?.stop();
    await this.#hashing.catch(() => {});
    this.#memory.release(this.#count);
    this.parts.disk?.close();
  }

  has(index: number): boolean {
    return this.#memory.has(index) || this.parts.disk?.has(index) === true;
  }

  arrived(index: number, bytes: Uint8Array): void {
    this.#keep(index, bytes);
    void this.#hashOn();
  }

  received(bytes: number): void {
    this.parts.onReceived?.(bytes);
  }

  windowEnd(): number {
    return this.#keeps ? Infinity : this.#windowStart() - 1 + this.parts.policy.windowPieces;
  }

  /** Whether pieces go to the disk. */
  get #keeps(): boolean {
    return this.parts.disk !== undefined && this.#diskFailure === undefined;
  }

  #keep(index: number, bytes: Uint8Array): void {
    if (this.#keeps) {
      try {
        this.parts.disk?.put(index, bytes);
        return;
      } catch (error) {
        this.#diskFailure = error as Error;
      }
    }
    this.#memory.put(index, bytes);
  }

  async #piece(index: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    await this.#breathe();
    throwIfAborted(signal);
    await this.#download?.need(index, signal);
    return this.#get(index);
  }

  async #breathe(): Promise<void> {
    if (performance.now() - this.#lastBreath < BREATHE_MS) return;
    await breathe();
    this.#lastBreath = performance.now();
  }

  #get(index: number): Promise<Uint8Array> {
    const { disk } = this.parts;
    return this.#memory.has(index) || !disk ? this.#memory.get(index) : disk.get(index);
  }

  /** The first piece that the reader or the hash still needs. */
  #windowStart(): number {
    return Math.min(this.#cursor, this.parts.hash?.next ?? Infinity);
  }

  #moveTo(index: number): void {
    this.#cursor = index;
    this.#release();
  }

  /**
   * Lets go of pieces that were read, and lets the download go on in their place. Before `prefetch`, only a header is being
   * read: as long as its pieces fit the window they are kept, as they may be read again.
   */
  #release(): void {
    const start = this.#windowStart();
    // One piece more is kept, for readers that go back a little.
    if (this.#prefetching || this.#memory.count > this.parts.policy.windowPieces)
      this.#memory.release(start - 1);
    this.#download?.hostMoved();
  }

  /** Hashes the pieces that are here and come next. Resolves when there is none left; rejects if one is damaged. */
  #hashOn(): Promise<void> {
    const { hash } = this.parts;
    if (!hash) return this.#hashing;
    this.#hashing = this.#hashing.then(async () => {
      while (!this.#closed && hash.next < this.#count && this.has(hash.next)) {
        hash.add(await this.#get(hash.next));
        this.#release();
        await this.#breathe();
      }
    });
    // A failure is reported by `finish`, which waits for the hash; until then nobody has to handle it.
    this.#hashing.catch(() => {});
    return this.#hashing;
  }
}
