// SHA-256: of bytes that come piece by piece, and of bytes that are all in memory.

import { compiledOr } from './compiled-or';
import { BLOCK_BYTES, compiledCompression, plainCompression, type Compression } from './sha256-blocks';

/** A hash under way. */
export interface Hasher {
  /** Adds bytes. */
  update(bytes: Uint8Array): unknown;
  /** The hash of all that was added, in hexadecimal. The last call. */
  digest(): string;
}

/** Begins a SHA-256. */
export async function createSha256(): Promise<Hasher> {
  return new Sha256(await compiledOr(compiledCompression, plainCompression));
}

/** Begins a SHA-256 that JavaScript computes. */
export function plainSha256(): Hasher {
  return new Sha256(plainCompression());
}

/** Cuts bytes that come in any pieces into blocks, and ends the last one as FIPS 180-4, section 5.1.1, says. */
class Sha256 implements Hasher {
  /** The beginning of a block of which the rest has not come. */
  readonly #begun = new Uint8Array(BLOCK_BYTES);
  #length = 0;

  constructor(private readonly compression: Compression) {}

  update(bytes: Uint8Array): void {
    const filled = this.#length % BLOCK_BYTES;
    this.#length += bytes.length;
    let from = 0;
    if (filled > 0) {
      from = Math.min(BLOCK_BYTES - filled, bytes.length);
      this.#begun.set(bytes.subarray(0, from), filled);
      if (filled + from < BLOCK_BYTES) return;
      this.compression.read(this.#begun);
    }
    const end = bytes.length - ((bytes.length - from) % BLOCK_BYTES);
    if (end > from) this.compression.read(bytes.subarray(from, end));
    this.#begun.set(bytes.subarray(end));
  }

  digest(): string {
    const bits = BigInt(this.#length) * 8n;
    // A one, and zeros up to the eight bytes that have the length.
    const padding = new Uint8Array(
      1 + ((2 * BLOCK_BYTES - 9 - (this.#length % BLOCK_BYTES)) % BLOCK_BYTES) + 8,
    );
    padding[0] = 0x80;
    new DataView(padding.buffer).setBigUint64(padding.length - 8, bits);
    this.update(padding);
    return hexadecimal(new Uint8Array(this.compression.words().buffer));
  }
}

function hexadecimal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The browser works on a copy of what it is to hash: more than this is not given to it at once. */
const MAX_BYTES_AT_ONCE = 256 << 20;

/** Whether {@link sha256OfAll} takes these bytes. */
export function canHashAtOnce(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer && bytes.length <= MAX_BYTES_AT_ONCE;
}

/** The SHA-256 in hexadecimal, computed by the browser beside this thread. */
export async function sha256OfAll(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return hexadecimal(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}
