// LM head with f16 weights and f32 activations (shaders/lm_head_f16.wgsl): the exact one.

import { isSoftwareAdapter, type Capabilities } from '../gpu/capabilities';
import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedRounds, trips } from '../gpu/cost';
import { foldedGrid } from '../gpu/grid';
import type { HalfMatrix } from './matrices';

/** How a device divides the work; not worth a measurement. */
export interface ExactHeadSizes {
  /** Threads that share a row. */
  threads: number;
  /** Rows that a workgroup owns. */
  rows: number;
}

/** Sizes for a device. */
export function exactHeadSizes(capabilities: Capabilities): ExactHeadSizes {
  return { threads: isSoftwareAdapter(capabilities) ? capabilities.subgroupMaxSize : 32, rows: 8 };
}

/** `logits` f32 [rows] of `x` f32 [cols]; `cols` a multiple of 8. One dispatch per shard of `head`. */
export function exactLmHeadF16(
  gpu: GpuContext,
  sizes: ExactHeadSizes,
  head: HalfMatrix,
  x: GPUBuffer,
  logits: GPUBuffer,
): Promise<Dispatch[]> {
  return Promise.all(
    head.shards.map((shard) => {
      const { grid, groupsX } = foldedGrid(Math.ceil(shard.rows / sizes.rows));
      return gpu.dispatch(
        'lm head',
        {
          shader: 'lm_head_f16',
          constants: { COLS: head.cols, ROWS_PER_GROUP: sizes.rows, THREADS: sizes.threads },
        },
        [shard.buffer, x, logits, gpu.uniform([shard.rows, shard.firstRow, groupsX])],
        grid,
        {
          rounds: fixedRounds(trips(head.cols / 8, sizes.threads)),
          bytes: () => shard.rows * (head.cols * 2 + 4) + head.cols * 4,
        },
      );
    }),
  );
}
