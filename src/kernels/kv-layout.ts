// How a model's heads are counted, and how their keys and values lie in the KV cache.

import type { BufferMaker, BufferOptions } from '../gpu/buffers';
import type { Capabilities } from '../gpu/capabilities';
import type { ShaderConditions } from '../gpu/shader-expansion';

/** Head counts and widths of a model's attention. */
export interface AttentionShape {
  heads: number;
  kvHeads: number;
  headDim: number;
}

/**
 * How keys and values are stored: rounded to f16 in 16 bits, or in 32 where unpacking costs an adapter more than reading
 * twice as much; or rounded to int8, which takes about half of f16's memory. With int8 each head of a position has a scale
 * for its key and one for its value, max|x| / 127. Scales are f32: they bound what any rounding adds, have no largest number
 * that a key could exceed, and even for heads of 64 are only 6 % of the bytes.
 */
export type CacheFormat = 'f16' | 'f32' | 'int8';

const VALUE_BYTES: Record<CacheFormat, number> = { f16: 2, f32: 4, int8: 1 };

/** Buffers of one layer's cache: [positions, kvHeads, `cacheDim(headDim)`] each. */
export interface LayerCache {
  keys: GPUBuffer;
  values: GPUBuffer;
  /** With int8: vec2f [positions, kvHeads], what a code of the key stands for, and one of the value. */
  scales: GPUBuffer | undefined;
  format: CacheFormat;
}

/** Makes the buffers of one layer for `positions` positions; `label` tells them from those of others. */
export function createLayerCache(
  buffers: BufferMaker,
  shape: AttentionShape,
  positions: number,
  format: CacheFormat,
  label: number | string,
  options?: BufferOptions,
): LayerCache {
  const bytes = positionBytes(shape, format);
  const buffer = (what: string, perPosition: number): GPUBuffer =>
    buffers.createBuffer(`${what} ${label}`, positions * perPosition, options);
  return {
    keys: buffer('keys', bytes.keys),
    values: buffer('values', bytes.values),
    scales: bytes.scales > 0 ? buffer('key and value scales', bytes.scales) : undefined,
    format,
  };
}

/** Bytes of one position in each buffer of a layer: multiples of 8. */
export function positionBytes(
  { kvHeads, headDim }: AttentionShape,
  format: CacheFormat,
): Record<'keys' | 'values' | 'scales', number> {
  const bytes = kvHeads * cacheDim(headDim) * VALUE_BYTES[format];
  return { keys: bytes, values: bytes, scales: format === 'int8' ? kvHeads * 8 : 0 };
}

/** The buffers of a layer, each with the bytes of one position. */
export function cacheParts(
  layer: LayerCache,
  shape: AttentionShape,
): { buffer: GPUBuffer; perPosition: number }[] {
  const bytes = positionBytes(shape, layer.format);
  return (['keys', 'values', 'scales'] as const).flatMap((part) => {
    const buffer = layer[part];
    return buffer ? [{ buffer, perPosition: bytes[part] }] : [];
  });
}

/** Frees the buffers of one layer. */
export function freeLayerCache(buffers: BufferMaker, { keys, values, scales }: LayerCache): void {
  buffers.free(keys);
  buffers.free(values);
  if (scales) buffers.free(scales);
}

/** What tells a kernel how the cache is stored: one of `halves`, `wide` and `int8`. */
export function cacheConditions(format: CacheFormat): ShaderConditions {
  return { halves: format === 'f16', wide: format === 'f32', int8: format === 'int8' };
}

/** Values that a head has room for in the cache: whole vectors of eight. */
export function cacheDim(headDim: number): number {
  return Math.ceil(headDim / 8) * 8;
}

/**
 * The format for an adapter whose memory suffices. Measured: SwiftShader, with subgroups of four, takes half of attention's
 * time to unpack f16; others hardly notice.
 */
export function cacheFormatFor({ subgroups, subgroupMaxSize }: Capabilities): CacheFormat {
  return subgroups && subgroupMaxSize === 4 ? 'f32' : 'f16';
}
