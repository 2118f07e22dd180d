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
