// SHA-256: of bytes that come piece by piece, and of bytes that are all in memory.

import { compiledOr } from './compiled-or';
import type { Hasher } from './hasher';
import { hexOf } from './hex';

/** Begins a SHA-256. */
export function createSha256(): Promise<Hasher> {
  return compiledOr<Hasher>(
    async () => (await import('./compiled')).createSHA256(),
    async () => (await import('./plain-sha256')).plainSha256(),
  );
}

/** The browser works on a copy of what it is to hash: more than this is not given to it at once. */
const MAX_BYTES_AT_ONCE = 256 << 20;

/** Whether {@link sha256OfAll} takes these bytes. */
export function canHashAtOnce(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer && bytes.length <= MAX_BYTES_AT_ONCE;
}

/** The SHA-256 in hexadecimal, computed by the browser beside this thread. */
export async function sha256OfAll(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return hexOf(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}
