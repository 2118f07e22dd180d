// What GPU memory is for, told by the labels of its buffers.

import type { LedgerEntry } from '../gpu/buffers';

/** Bytes of GPU buffers by what they are for. */
export interface GpuBytes {
  /** Matrices and norms of the layers, and the last norm. */
  layers: number;
  /** The embedding, in f16. */
  embedding: number;
  /** The LM head: what generations use, in int8 or f16, and one of its own in f16; 0 where it is the embedding itself. */
  head: number;
  /** Keys and values of one session, at its full length. */
  kvCache: number;
  /** Buffers that steps work in, and all others. */
  work: number;
  total: number;
}

// In this order: a head made from the embedding is a head.
const PARTS: readonly [part: keyof GpuBytes, label: RegExp][] = [
  ['head', /\bhead\b|^output\.weight/],
  ['layers', /^blk\.|^output_norm/],
  ['embedding', /^token_embd/],
  ['kvCache', /^(keys|values) \d/],
];

/** Adds up buffers by their part. */
export function bytesByPart(buffers: Iterable<LedgerEntry>): GpuBytes {
  const bytes: GpuBytes = { layers: 0, embedding: 0, head: 0, kvCache: 0, work: 0, total: 0 };
  for (const { label, size } of buffers) {
    bytes[PARTS.find(([, pattern]) => pattern.test(label))?.[0] ?? 'work'] += size;
    bytes.total += size;
  }
  return bytes;
}
