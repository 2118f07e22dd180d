// Rotary embedding and the write into the KV cache (shaders/rope_append.wgsl).

import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedRounds } from '../gpu/cost';
import { gridByTokens } from '../gpu/grid';
import { cacheConditions, cacheDim, positionBytes, type AttentionShape, type LayerCache } from './kv-layout';
import { reduction } from './reduction';
import type { Rope } from './rope';

/**
 * Normalises queries and keys if there are `norms`; rotates the queries of `qkv`
 * f32 [tokens, (heads + 2·kvHeads)·headDim] in place and writes rotated keys, and values, at positions
 * `state.position`…. headDim is a multiple of 4.
 */
export function ropeAppend(
  gpu: GpuContext,
  shape: AttentionShape,
  { rotary, pairs, angles, norms }: Rope,
  state: GPUBuffer,
  qkv: GPUBuffer,
  cache: LayerCache,
): Promise<Dispatch> {
  const { heads, kvHeads, headDim } = shape;
  // A head whose mean square or largest magnitude is needed has a workgroup of its own.
  const wholeHeads = norms !== undefined || cache.format === 'int8';
  const threads = wholeHeads ? headDim / 4 : 32;
  const meeting = norms && reduction(gpu.capabilities, threads);
  const position = positionBytes(shape, cache.format);
  const written = position.keys + position.values + position.scales;
  const groups = Math.ceil(((heads + 2 * kvHeads) * headDim) / 4 / threads);
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
        whole_heads: wholeHeads,
        ...cacheConditions(cache.format),
        ...meeting?.conditions,
      },
    },
    [state, qkv, angles, cache.keys, cache.values, norms?.q, norms?.k, cache.scales],
    gridByTokens((tokens) => [groups, tokens, 1]),
    {
      // The position; what lies there; and behind a sum over the head, the weights of its norm and the angles.
      rounds: fixedRounds(norms ? 3 : 2),
      bytes: (tokens) => tokens * (written + 4 * (rotary + (2 * heads + 2 * kvHeads) * headDim)),
    },
  );
}
