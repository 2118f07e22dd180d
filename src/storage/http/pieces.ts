// Files are downloaded, kept and checked in pieces of one size; only the last is shorter.

/** Bytes of a piece. */
export const PIECE_BYTES = 1 << 20;

/** Pieces of a file of `size` bytes. */
export function pieceCount(size: number): number {
  return Math.ceil(size / PIECE_BYTES);
}

/** Bytes of piece `index`. */
export function pieceLength(size: number, index: number): number {
  return Math.min(PIECE_BYTES, size - index * PIECE_BYTES);
}

/** The pieces of one file that are here, on disk or in memory. */
export interface PieceHolder {
  has(index: number): boolean;
  /** The bytes of a piece that is here; not to be written to. Rejects with `corrupt-file` if they are damaged. */
  get(index: number): Promise<Uint8Array>;
  /** Takes a piece over. Throws where there is no room for it. */
  put(index: number, bytes: Uint8Array): void;
}

/** Pieces in memory. Its user takes care that they are not too many. */
export class MemoryPieces implements PieceHolder {
  readonly #pieces = new Map<number, Uint8Array>();

  get count(): number {
    return this.#pieces.size;
  }

  has(index: number): boolean {
    return this.#pieces.has(index);
  }

  async get(index: number): Promise<Uint8Array> {
    const bytes = this.#pieces.get(index);
    if (!bytes) throw new RangeError(`Piece ${index} is not here`);
    return bytes;
  }

  put(index: number, bytes: Uint8Array): void {
    this.#pieces.set(index, bytes);
  }

  /** Forgets the pieces before `end`. */
  release(end: number): void {
    for (const index of this.#pieces.keys()) if (index < end) this.#pieces.delete(index);
  }
}
