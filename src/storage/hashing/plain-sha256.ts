// SHA-256 that JavaScript computes.

import { sha256 } from '@noble/hashes/sha2.js';
import type { Hasher } from './hasher';
import { hexOf } from './hex';

/** Begins a SHA-256. */
export function plainSha256(): Hasher {
  const hash = sha256.create();
  return { update: (bytes) => hash.update(bytes), digest: () => hexOf(hash.digest()) };
}
