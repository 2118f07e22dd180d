// SHA-256: of bytes that come piece by piece, and of bytes that are all in memory.

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { createSHA256 } from 'hash-wasm';
import { compiledOr } from './compiled-or';

/** A hash under way. */
export interface Hasher {
  /** Adds bytes. */
  update(bytes: Uint8Array): unknown;
  /** The hash of all that was added, in hexadecimal. The last call. */
  digest(): string;
}

/** Begins a SHA-256. */
export function createSha256(): Promise<Hasher> {
  return compiledOr<Hasher>(createSHA256, plainSha256);
}

/** Begins a SHA-256 that JavaScript computes. */
export function plainSha256(): Hasher {
  const hash = sha256.create();
  return { update: (bytes) => hash.update(bytes), digest: () => bytesToHex(hash.digest()) };
}

/** The browser works on a copy of what it is to hash: more than this is not given to it at once. */
const MAX_BYTES_AT_ONCE = 256 << 20;

/** Whether {@link sha256OfAll} takes these bytes. */
export function canHashAtOnce(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer && bytes.length <= MAX_BYTES_AT_ONCE;
}

/** The SHA-256 in hexadecimal, computed by the browser beside this thread. */
export async function sha256OfAll(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return bytesToHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}
