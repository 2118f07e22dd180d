// Embedding look-up (shaders/embed.wgsl): token ids to rows of the residual stream.

import type { Dispatch, GpuContext } from '../gpu/context';
import { gridByTokens } from '../gpu/grid';
import type { HalfMatrix } from './matrices';

/**
 * One dispatch per shard of `table`; together they fill `x` f32 [tokens, cols] from `ids` u32 [tokens], with rows times
 * `scale`.
 */
export function embed(
  gpu: GpuContext,
  table: HalfMatrix,
  ids: GPUBuffer,
  x: GPUBuffer,
  scale = 1,
): Promise<Dispatch[]> {
  return Promise.all(
    table.shards.map((shard) =>
      gpu.dispatch(
        'embed',
        {
          shader: 'embed',
          constants: { DIM: table.cols, THREADS: 64, SCALE: scale },
        },
        [ids, shard.buffer, x, gpu.uniform([shard.firstRow, shard.rows])],
        gridByTokens((tokens) => [tokens, 1, 1]),
      ),
    ),
  );
}
