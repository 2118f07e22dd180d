// How a model's heads are counted, and how their keys and values lie in the KV cache.

import type { Capabilities } from '../gpu/capabilities';

/** Head counts and widths of a model's attention. */
export interface AttentionShape {
  heads: number;
  kvHeads: number;
  headDim: number;
}

/**
 * How keys and values are stored, rounded to f16 either way: in 16 bits, or in 32 where unpacking costs an adapter more than
 * reading twice as much.
 */
export type CacheFormat = 'f16' | 'f32';

/** Buffers of one layer's cache: [positions, kvHeads, `cacheDim(headDim)`] each. */
export interface LayerCache {
  keys: GPUBuffer;
  values: GPUBuffer;
  format: CacheFormat;
}

/** Values that a head has room for in the cache: whole vectors of eight. */
export function cacheDim(headDim: number): number {
  return Math.ceil(headDim / 8) * 8;
}

/**
 * The format for an adapter. Measured: SwiftShader, with subgroups of four, takes half of attention's time to unpack f16;
 * others hardly notice.
 */
export function cacheFormatFor({ subgroups, subgroupMaxSize }: Capabilities): CacheFormat {
  return subgroups && subgroupMaxSize === 4 ? 'f32' : 'f16';
}
