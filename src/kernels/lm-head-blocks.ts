// LM head with rows in the blocks of their file (shaders/lm_head_blocks.wgsl).

import { blockRowBytes, blockRowSize, PLANES } from '../formats/block-rows';
import { isSoftwareAdapter } from '../gpu/capabilities';
import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedRounds, trips } from '../gpu/cost';
import { foldedGrid } from '../gpu/grid';
import type { HeadVariant } from './lm-head-int8';
import type { BlockMatrix, QuantizedRows } from './matrices';

/** `logits` f32 [rows] of one quantised row `q`. One dispatch per shard of `head`. Its variants are those of the int8 head. */
export function lmHeadBlocks(
  gpu: GpuContext,
  variant: HeadVariant,
  head: BlockMatrix,
  q: QuantizedRows,
  logits: GPUBuffer,
): Promise<Dispatch[]> {
  return dispatches(gpu, variant, head, q.values, q.scales, logits);
}

/**
 * `logits` f32 [rows] of one row `x` f32, with room for whole pieces of 64 columns, zeros beyond the last: products with
 * activations that are not rounded. One dispatch per shard of `head`.
 */
export function exactLmHeadBlocks(
  gpu: GpuContext,
  head: BlockMatrix,
  x: GPUBuffer,
  logits: GPUBuffer,
): Promise<Dispatch[]> {
  const split = isSoftwareAdapter(gpu.capabilities) ? 1 : 8;
  return dispatches(gpu, { blocks: 1, split, broadcast: false }, head, x, undefined, logits);
}

function dispatches(
  gpu: GpuContext,
  { blocks, split, broadcast }: HeadVariant,
  { format, cols, shards }: BlockMatrix,
  values: GPUBuffer,
  activationScales: GPUBuffer | undefined,
  logits: GPUBuffer,
): Promise<Dispatch[]> {
  const spec = {
    shader: 'lm_head_blocks',
    constants: { BLOCKS: blocks, SPLIT: split, PLANES: PLANES[format] },
    conditions: {
      split: split > 1,
      broadcast,
      floats: !activationScales,
      q4_0: format === 'Q4_0',
      q4_k: format === 'Q4_K',
      q6_k: format === 'Q6_K',
    },
  };
  const { pieces } = blockRowSize(format, cols);
  return Promise.all(
    shards.map(({ codes, scales, rows, firstRow }) => {
      const rowBlocks = Math.ceil(rows / 8);
      const { grid, groupsX } = foldedGrid(Math.ceil(rowBlocks / blocks));
      const shape = gpu.uniform([pieces, rowBlocks, rows, firstRow, groupsX]);
      const buffers = [codes, scales, values, logits, shape, ...(activationScales ? [activationScales] : [])];
      // A trip loads codes, scales and activations of a piece together; behind the loop comes the activations' scale.
      return gpu.dispatch('lm head', spec, buffers, grid, {
        rounds: fixedRounds(trips(pieces, split) + (activationScales ? 1 : 0)),
        bytes: () => rows * (blockRowBytes(format, cols) + 4) + pieces * 64 * (activationScales ? 1 : 4),
      });
    }),
  );
}
