// Rotary embedding and the write into the KV cache (shaders/rope_append.wgsl).

import type { Dispatch, GpuContext } from '../gpu/context';
import type { AttentionShape } from './attention';
import { reduction } from './reduction';

/** Which dimensions of a head turn together: (j, j + rotary/2) or (2j, 2j + 1). */
export type RopePairs = 'neox' | 'normal';

/** RMSNorms over each head of queries and keys, before they turn. Weights f32 [headDim]. */
export interface HeadNorms {
  q: GPUBuffer;
  k: GPUBuffer;
  eps: number;
}

/** How a model turns queries and keys. */
export interface Rope {
  /** Dimensions of a head that turn, a multiple of 4. */
  rotary: number;
  pairs: RopePairs;
  /** vec2f [positions, rotary/2], see `ropeAngles`. */
  angles: GPUBuffer;
  norms?: HeadNorms | undefined;
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
 * Normalises queries and keys if there are `norms`; rotates the queries of `qkv`
 * f32 [tokens, (heads + 2·kvHeads)·headDim] in place and writes rotated keys, and values, at positions
 * `state.position`…. headDim is a multiple of 4. Workgroups: y = tokens.
 */
export function ropeAppend(
  gpu: GpuContext,
  { heads, kvHeads, headDim }: AttentionShape,
  { rotary, pairs, angles, norms }: Rope,
  state: GPUBuffer,
  qkv: GPUBuffer,
  cache: LayerCache,
): Promise<Dispatch> {
  // A head whose mean square is needed has a workgroup of its own.
  const threads = norms ? headDim / 4 : 32;
  const meeting = norms && reduction(gpu.capabilities, threads);
  return gpu.dispatch(
    'rope + append',
    {
      shader: 'rope_append',
      constants: {
        HEADS: heads,
        KV_HEADS: kvHeads,
        HEAD_DIM: headDim,
        CACHE_DIM: cacheDim(headDim),
        ROTARY: rotary,
        THREADS: threads,
        EPSILON: norms?.eps ?? 0,
      },
      conditions: {
        neox: pairs === 'neox',
        head_norms: norms !== undefined,
        wide: cache.format === 'f32',
        ...meeting?.conditions,
      },
    },
    [state, qkv, angles, cache.keys, cache.values, ...(norms ? [norms.q, norms.k] : [])],
    [Math.ceil(((heads + 2 * kvHeads) * headDim) / 4 / threads), 1, 1],
  );
}

/**
 * (cos, sin) of pos · theta^(−2j/rotary) / factors[j] for `positions` positions, f32 [positions, rotary/2, 2], computed
 * in float64: sines of large angles are where GPUs are least exact. `factors` is `rope_freqs.weight` where a model has it.
 */
export function ropeAngles(
  positions: number,
  rotary: number,
  theta: number,
  factors?: ArrayLike<number>,
): Float32Array {
  const half = rotary / 2;
  const table = new Float32Array(positions * half * 2);
  for (let j = 0; j < half; j++) {
    const frequency = theta ** ((-2 * j) / rotary) / (factors?.[j] ?? 1);
    for (let position = 0; position < positions; position++) {
      table[(position * half + j) * 2] = Math.cos(position * frequency);
      table[(position * half + j) * 2 + 1] = Math.sin(position * frequency);
    }
  }
  return table;
}
