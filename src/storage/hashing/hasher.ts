// What hashes under way have in common.

/** A hash under way. */
export interface Hasher {
  /** Adds bytes. */
  update(bytes: Uint8Array): unknown;
  /** The hash of all that was added, in hexadecimal. The last call. */
  digest(): string;
}
