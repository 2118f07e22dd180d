// Random access to a model file, wherever it lies. Parsers and loaders read through this and know nothing of URLs.

/** A file of known length that can be read piece by piece. */
export interface ByteSource {
  /** Length in bytes. */
  readonly size: number;
  /**
   * Reads `length` bytes from `offset`. Rejects with `corrupt-file` if they reach past the end.
   * The result is the caller's own for as long as it likes, but must not be written to.
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
}
