// LM head with f16 weights and f32 activations (shaders/lm_head_f16.wgsl): the exact one.

import type { Dispatch, GpuContext } from '../gpu/context';
import type { HalfMatrix } from './matrices';

/** `logits` f32 [rows] of `x` f32 [cols]; `cols` a multiple of 8. One dispatch per shard of `head`. */
export function lmHeadF16(
  gpu: GpuContext,
  variant: { threads: number; rows: number },
  head: HalfMatrix,
  x: GPUBuffer,
  logits: GPUBuffer,
): Promise<Dispatch[]> {
  return Promise.all(
    head.shards.map((shard) => {
      const groups = Math.ceil(shard.rows / variant.rows);
      const groupsX = Math.min(groups, 32768);
      return gpu.dispatch(
        'lm head',
        {
          shader: 'lm_head_f16',
          constants: { COLS: head.cols, ROWS_PER_GROUP: variant.rows, THREADS: variant.threads },
        },
        [shard.buffer, x, logits, gpu.uniform([shard.rows, shard.firstRow, groupsX])],
        [groupsX, Math.ceil(groups / groupsX), 1],
      );
    }),
  );
}
