// The pieces of a file that are in memory while they are needed.

/** Pieces in memory. Its user takes care that they are not too many. */
export class MemoryPieces {
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
